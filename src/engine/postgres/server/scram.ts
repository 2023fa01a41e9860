import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { BtarError } from "../../../domain/errors.ts";

const iterations = 4096; // PostgreSQL's own default, scram_iterations

/**
 * What PostgreSQL stores of a password. Sent in place of the password, it keeps the password out of the server's log
 * and of its statement statistics, and one who reads it cannot log in with it.
 * @param password printable ASCII, so that clients need not agree on how other characters are normalised
 * @returns `SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY`
 * @throws {BtarError} INVALID_INPUT
 * @see https://www.rfc-editor.org/rfc/rfc5803
 */
export function scramVerifier(password: string, salt: Uint8Array = randomBytes(16)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) {
    throw new BtarError("INVALID_INPUT", {
      message: "a password is empty or holds characters other than printable ASCII",
      hint: "use letters, digits and punctuation of ASCII",
    });
  }
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString("base64")}$${storedKey}:${serverKey}`;
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
