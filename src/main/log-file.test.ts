import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { LogFile } from "./log-file.ts";

test("a log that has grown large is begun anew, and the one before is kept", async (context) => {
  const file = join(await temporaryDirectory(context), "server.log");
  const log = new LogFile(file, { maxBytes: 10 });
  for (const line of ["first line\n", "second line\n", "third\n"]) log.write(line);
  log.close();
  assert.equal(readFileSync(`${file}.1`, "utf8"), "second line\n");
  assert.equal(readFileSync(file, "utf8"), "third\n");
});

test("a log goes on where it ended before", async (context) => {
  const file = join(await temporaryDirectory(context), "server.log");
  for (const line of ["before\n", "after\n"]) {
    const log = new LogFile(file);
    log.write(line);
    log.close();
  }
  assert.equal(readFileSync(file, "utf8"), "before\nafter\n");
});

test("a log whose folder is gone ends nothing", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = new LogFile(join(directory, "server.log"), { maxBytes: 1 });
  log.write("a line\n");
  rmSync(directory, { recursive: true });
  assert.doesNotThrow(() => log.write("another\n"));
  log.close();
});
