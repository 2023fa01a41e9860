import assert from "node:assert/strict";
import { test } from "node:test";
import { hashPassword, isPasswordOf } from "./password-hash.ts";

test("a password is told from others by its hash, which is another one each time", async () => {
  const [first, second] = [await hashPassword("correct horse"), await hashPassword("correct horse")];
  assert.match(first, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  assert.notEqual(first, second);
  assert.equal(await isPasswordOf(first, "correct horse"), true);
  assert.equal(await isPasswordOf(second, "correct horse"), true);
  assert.equal(await isPasswordOf(first, "correct horse "), false);
  assert.equal(await isPasswordOf(first, ""), false);
});

test("a hash of other costs than today's is still read", async () => {
  // Made by the reference program: `printf password | argon2 somesaltsomesalt -id -t 3 -k 4096 -p 1 -l 32 -e`.
  const hash = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$BvuA7SfebsIC3f4gSy7/Ei1s6+hsEfaOuCZMbl/y/Sg";
  assert.equal(await isPasswordOf(hash, "password"), true);
  assert.equal(await isPasswordOf(hash, "Password"), false);
});

test("nobody has a password, however often it is asked", async () => {
  assert.equal(await isPasswordOf(undefined, ""), false);
  assert.equal(await isPasswordOf(undefined, "correct horse"), false);
});
