import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger } from "./logger.ts";

test("secrets are not logged, wherever they stand in what is logged", () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", destination: { write: (line) => lines.push(line) } });
  logger.debug("too fine");
  logger.info(
    { token: "s1", user: { name: "ann", password: "s2" }, a: { b: { key: "s3" }, c: { d: { secret: "s4" } } } },
    "signed in",
  );
  assert.equal(lines.length, 1);
  const line = JSON.parse(String(lines[0]));
  assert.equal(line.msg, "signed in");
  assert.equal(line.level, "info");
  assert.equal(line.user.name, "ann");
  assert.match(line.time, /^\d{4}-\d\d-\d\dT.*Z$/);
  for (const secret of ["s1", "s2", "s3", "s4"]) assert.ok(!lines[0]?.includes(`"${secret}"`), secret);
});
