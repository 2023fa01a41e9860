import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { scramVerifier } from "./scram.ts";

test("the verifier of a password is what RFC 7677 computes for it", () => {
  const verifier = scramVerifier("pencil", Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"));
  const [, head, keys] = verifier.split("$");
  assert.equal(head, "4096:W22ZaJ0SNY7soEsUEjb6gQ==");
  const [, serverKey = ""] = keys?.split(":") ?? [];
  // Section 3: the exchange in which the server proves that it knows the server key.
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const exchange = [
    "n=user,r=rOprNGfwEbeRWgbNEkqO",
    `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    `c=biws,r=${nonce}`,
  ].join();
  const signature = createHmac("sha256", Buffer.from(serverKey, "base64")).update(exchange).digest("base64");
  assert.equal(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
});

test("each verifier has a salt of its own", () => {
  assert.notEqual(scramVerifier("pencil"), scramVerifier("pencil"));
});

test("a password that clients might normalise in different ways is refused without being repeated", async () => {
  for (const password of ["", "pässword", "two\nlines"]) {
    const error = await rejectsWith("INVALID_INPUT", () => scramVerifier(password));
    assert.ok(password === "" || !error.message.includes(password));
  }
});
