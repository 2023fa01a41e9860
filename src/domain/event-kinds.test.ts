import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { adviceFor, eventAdvice, eventKinds } from "./event-kinds.ts";

const reference = readFileSync(join(import.meta.dirname, "../../docs/reference.md"), "utf8");
const section = reference.slice(
  reference.indexOf("## Events\n"),
  reference.indexOf("\n## ", reference.indexOf("## Events\n")),
);

test("the reference tells every kind of event, and no other", () => {
  const told = new Set([...section.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, word]) => word ?? ""));
  assert.deepEqual(
    eventKinds.filter((kind) => !told.has(kind)),
    [],
  );
});

test("what wants somebody is told with what to do; what is only to know is not", () => {
  assert.equal(adviceFor("backup_failed", "error"), eventAdvice.backup_failed);
  assert.equal(adviceFor("lost_range", "info"), null);
  assert.equal(adviceFor("backup_complete", "info"), null);
  assert.equal(adviceFor("of_another_version", "error"), null);
  assert.equal(adviceFor("constructor", "error"), null);
});
