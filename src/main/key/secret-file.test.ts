import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { temporaryDirectory } from "../../../test/support/temporary-directory.ts";
import { readSecretFile } from "./secret-file.ts";

test("a secret that others can read is refused, unless systemd keeps it", async (context) => {
  const directory = await temporaryDirectory(context);
  const file = join(directory, "passphrase");
  await writeFile(file, "secret", { mode: 0o600 });
  assert.equal(await readSecretFile(file, "the passphrase"), "secret");
  assert.equal(await readSecretFile(`${file}.none`, "the passphrase"), undefined);
  await chmod(file, 0o440);
  const refused = await rejectsWith("KEY_UNAVAILABLE", () => readSecretFile(file, "the passphrase"));
  assert.match(refused.message, /others can read the passphrase .*passphrase \(mode 440\)/);
  process.env["CREDENTIALS_DIRECTORY"] = directory;
  context.after(() => delete process.env["CREDENTIALS_DIRECTORY"]);
  assert.equal(await readSecretFile(file, "the passphrase"), "secret");
});
