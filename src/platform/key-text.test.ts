import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isBtarError } from "../domain/errors.ts";
import { isProtectedKeyText, keyText, protectedKeyText, readKeyText } from "./key-text.ts";

const nobody = async () => assert.fail("no passphrase is asked for");
const read = async (text: string, askPassphrase: () => Promise<string> = nobody) =>
  await readKeyText(text, { place: "paper", askPassphrase });
const isRefused = (told: RegExp) => (error: unknown) =>
  isBtarError(error, "KEY_UNAVAILABLE") && told.test(error.message);

const key = Buffer.from("00ff10".padEnd(64, "7a"), "hex");

test("a key survives being written, and read by people who take 0 for O and 1 for l, and lose its lines", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (bytes) => {
      const text = keyText(bytes);
      assert.deepEqual([...(await read(text))], [...bytes]);
      const typed = text.toLowerCase().replaceAll("1", "l").replaceAll("0", "o").replaceAll("-", " ");
      assert.deepEqual([...(await read(`# of shop\n${typed.replaceAll("\n", "  ")}`))], [...bytes]);
    }),
  );
  assert.match(keyText(key), /^BTAR-KEY\n(?:[0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]{5}\n/);
  assert.deepEqual(await read(`${key.toString("hex")}\n`), key);
});

test("every single mistyped letter is noticed, and so is a missing or a foreign one", async () => {
  const text = keyText(key);
  const start = text.indexOf("\n") + 1;
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at] ?? "";
    if (letter === "-" || letter === "\n") continue;
    const other = letter === "A" ? "B" : "A";
    await assert.rejects(read(text.slice(0, at) + other + text.slice(at + 1)), isRefused(/paper: .*checksum/));
  }
  await assert.rejects(read(text.slice(0, -4)), isRefused(/it has 57 letters after BTAR-KEY/));
  await assert.rejects(read(`${text.slice(0, start)}!${text.slice(start + 1)}`), isRefused(/the letter "!"/));
  await assert.rejects(read("hunter2"), isRefused(/this is no master key/));
  await assert.rejects(read("ab".repeat(31)), isRefused(/this is no master key/));
});

test("a protected key opens with its passphrase alone", async () => {
  const text = await protectedKeyText(key, "correct horse battery");
  assert.equal(isProtectedKeyText(text), true);
  assert.equal(isProtectedKeyText(keyText(key)), false);
  assert.deepEqual(await read(text, async () => "correct horse battery"), key);
  await assert.rejects(
    read(text, async () => "wrong horse battery"),
    isRefused(/the passphrase does not open the master key/),
  );
  assert.notEqual(await protectedKeyText(key, "correct horse battery"), text, "with a salt of its own");
});
