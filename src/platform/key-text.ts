import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import { type Argon2Cost, argon2id } from "./password-hash.ts";

const heading = "BTAR-KEY";
/** Crockford's base 32: no letter that could be taken for another one or a digit. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const groupLetters = 5;
const groupsPerLine = 6;
const keyBytes = 32;
const checksumBytes = 4;
const kinds = { plain: 1, protected: 2 } as const;

const plainBytes = 1 + keyBytes;
/** Kind, memory (u32), passes, lanes; then salt, nonce, ciphertext, tag. */
const headerBytes = 1 + 4 + 1 + 1;
const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;
const protectedBytes = headerBytes + saltBytes + nonceBytes + keyBytes + tagBytes;

/** A passphrase is guessed at leisure by whoever has the text: a guess takes 128 MiB and half a second. */
const cost: Argon2Cost = { memoryKib: 128 * 1024, passes: 3, lanes: 1 };
const maxMemoryKib = 2 * 1024 * 1024;
const maxPasses = 64;

/**
 * A key as text that a person can keep on paper: groups of five letters, with a checksum. Layout in
 * docs/repository-format.md, "The master key".
 * @param key 32 bytes
 */
export function keyText(key: Uint8Array): string {
  return written(Buffer.concat([Buffer.of(kinds.plain), key]));
}

/** The same, and only the passphrase opens it: AES-256-GCM under argon2id of the passphrase. */
export async function protectedKeyText(key: Uint8Array, passphrase: string): Promise<string> {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(kinds.protected, 0);
  header.writeUInt32BE(cost.memoryKib, 1);
  header.writeUInt8(cost.passes, 5);
  header.writeUInt8(cost.lanes, 6);
  const salt = randomBytes(saltBytes);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", await argon2id(passphrase, salt, cost), nonce);
  cipher.setAAD(Buffer.concat([header, salt]));
  const sealed = [cipher.update(key), cipher.final(), cipher.getAuthTag()];
  return written(Buffer.concat([header, salt, nonce, ...sealed]));
}

/** Whether it takes a passphrase to read a text. */
export function isProtectedKeyText(text: string): boolean {
  const letters = lettersOf(text);
  return letters.startsWith(headingLetters) && payloadOf(letters)[0] === kinds.protected;
}

/**
 * Reads a key: 64 hex digits, or what `keyText` and `protectedKeyText` have written. Lines that begin with `#` are notes;
 * spaces, dashes and the case of letters do not matter.
 * @param options.place for messages: where the text is from
 * @param options.askPassphrase called for a protected text only
 * @throws {BtarError} KEY_UNAVAILABLE telling what is wrong with it; whatever `askPassphrase` throws
 */
export async function readKeyText(
  text: string,
  { place, askPassphrase }: { readonly place: string; readonly askPassphrase: () => Promise<string> },
): Promise<Buffer> {
  try {
    return await keyIn(text, askPassphrase);
  } catch (error) {
    if (!(error instanceof BtarError) || error.code !== "KEY_UNAVAILABLE") throw error;
    const { message, hint, cause } = error;
    throw new BtarError("KEY_UNAVAILABLE", { message: `${place}: ${message}`, ...(hint && { hint }), cause });
  }
}

async function keyIn(text: string, askPassphrase: () => Promise<string>): Promise<Buffer> {
  const letters = lettersOf(text);
  if (/^[0-9A-F]{64}$/.test(letters)) return Buffer.from(letters, "hex");
  if (!letters.startsWith(headingLetters)) {
    throw unreadable("no master key", `it has 64 hex digits, or begins with ${heading}`);
  }
  const payload = payloadOf(letters);
  if (payload[0] === kinds.plain && payload.length === plainBytes) return payload.subarray(1);
  if (payload[0] !== kinds.protected || payload.length !== protectedBytes) {
    throw unreadable("a master key of a kind that this btar does not know", "read it with the btar that wrote it");
  }
  return await openProtected(payload, await askPassphrase());
}

async function openProtected(payload: Buffer, passphrase: string): Promise<Buffer> {
  const [memoryKib, passes, lanes] = [payload.readUInt32BE(1), payload.readUInt8(5), payload.readUInt8(6)];
  if (memoryKib > maxMemoryKib || passes > maxPasses || passes === 0 || lanes === 0) {
    throw unreadable(
      "a master key whose passphrase would take too much to check",
      "read it with the btar that wrote it",
    );
  }
  const nonceAt = headerBytes + saltBytes;
  const salt = payload.subarray(headerBytes, nonceAt);
  const wrapping = await argon2id(passphrase, salt, { memoryKib, passes, lanes });
  const decipher = createDecipheriv("aes-256-gcm", wrapping, payload.subarray(nonceAt, nonceAt + nonceBytes));
  decipher.setAAD(payload.subarray(0, nonceAt));
  decipher.setAuthTag(payload.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(payload.subarray(nonceAt + nonceBytes, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: "the passphrase does not open the master key",
      hint: "give the passphrase that it was protected with",
      cause,
    });
  }
}

const headingLetters = heading.replace("-", "");

/** Without notes, spaces and dashes; letters that are easily mistaken are what they look like. */
function lettersOf(text: string): string {
  const lines = text.split("\n").filter((line) => !line.trim().startsWith("#"));
  return lines.join("").replace(/[\s-]/g, "").toUpperCase();
}

function written(payload: Buffer): string {
  const letters = encoded(Buffer.concat([payload, checksum(payload)]));
  const groups = letters.match(new RegExp(`.{1,${groupLetters}}`, "g")) ?? [];
  const lines: string[] = [];
  for (let at = 0; at < groups.length; at += groupsPerLine) lines.push(groups.slice(at, at + groupsPerLine).join("-"));
  return `${heading}\n${lines.join("\n")}\n`;
}

/** @throws {BtarError} KEY_UNAVAILABLE */
function payloadOf(letters: string): Buffer {
  const bytes = decoded(letters.slice(headingLetters.length));
  const payload = bytes.subarray(0, -checksumBytes);
  if (bytes.length > checksumBytes && checksum(payload).equals(bytes.subarray(-checksumBytes))) return payload;
  const given = letters.length - headingLetters.length;
  const [plain, guarded] = [plainBytes, protectedBytes].map((size) => Math.ceil(((size + checksumBytes) * 8) / 5));
  throw unreadable(
    `a master key whose checksum does not match: it has ${given} letters after ${heading}`,
    `compare it with its source; a key has ${plain}, one with a passphrase ${guarded}`,
  );
}

function checksum(payload: Uint8Array): Buffer {
  return createHash("sha256").update("btar key text 1").update(payload).digest().subarray(0, checksumBytes);
}

function encoded(bytes: Uint8Array): string {
  let letters = "";
  let bits = 0n;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8n) | BigInt(byte);
    count += 8;
    for (; count >= 5; count -= 5) letters += alphabet[Number((bits >> BigInt(count - 5)) & 31n)];
    bits &= (1n << BigInt(count)) - 1n;
  }
  return count === 0 ? letters : letters + alphabet[Number((bits << BigInt(5 - count)) & 31n)];
}

/** @throws {BtarError} KEY_UNAVAILABLE for a letter that no key has */
function decoded(letters: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const letter of letters.replace(/[IL]/g, "1").replaceAll("O", "0")) {
    const value = alphabet.indexOf(letter);
    if (value < 0)
      throw unreadable(`a master key with the letter "${letter}", which none has`, "compare it with its source");
    bits = (bits << 5) | value;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push(bits >> count);
    bits &= (1 << count) - 1;
  }
  if (bits !== 0) bytes.push(bits); // what no key ends with: the checksum tells
  return Buffer.from(bytes);
}

function unreadable(what: string, hint: string): BtarError {
  return new BtarError("KEY_UNAVAILABLE", { message: `this is ${what}`, hint });
}
