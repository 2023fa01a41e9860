import { BtarError } from "../domain/errors.ts";

const maxKeyBytes = 512;
const keyHint = "keys are segments of A-Z a-z 0-9 . _ - joined by /, none of them . or .., at most 512 bytes";

/** Objects are at most this large, so that they can travel as buffers. */
export const maxObjectBytes = 512 * 1024 * 1024;

/** Whether a text is a key as `ObjectStore` describes them. */
export function isKey(text: string): boolean {
  return text.length <= maxKeyBytes && text.split("/").every(isSegment);
}

/** @throws {BtarError} INVALID_INPUT */
export function checkKey(key: string): void {
  if (!isKey(key)) throw invalid(`${JSON.stringify(key)} is no object key`, keyHint);
}

/**
 * Checks that keys can start with a prefix: whole segments with their slashes, then perhaps the start of another one.
 * @throws {BtarError} INVALID_INPUT
 */
export function checkPrefix(prefix: string): void {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const isFolder = folder === "" || isKey(folder.slice(0, -1));
  if (!isFolder || prefix.length > maxKeyBytes || !/^[A-Za-z0-9._-]*$/.test(prefix.slice(folder.length))) {
    throw invalid(`no object key starts with ${JSON.stringify(prefix)}`, keyHint);
  }
}

/**
 * Checks a prefix whose folders are asked for: empty, or whole segments with their slashes.
 * @throws {BtarError} INVALID_INPUT
 */
export function checkFolder(prefix: string): void {
  checkPrefix(prefix);
  if (prefix !== "" && !prefix.endsWith("/")) {
    throw invalid(`${JSON.stringify(prefix)} is no folder of objects`, "a folder is empty or ends in /");
  }
}

/** @throws {BtarError} INVALID_INPUT when offset or length is no whole number from 0 on */
export function checkRange(range: { readonly offset: number; readonly lengthBytes: number } | undefined): void {
  if (!range) return;
  for (const number of [range.offset, range.lengthBytes]) {
    if (!Number.isSafeInteger(number) || number < 0) {
      throw invalid(`${range.lengthBytes} bytes from ${range.offset} are no range`, "give whole numbers from 0 on");
    }
  }
}

/**
 * The body's buffers, and how many bytes they hold together.
 * @throws {BtarError} INVALID_INPUT when it is larger than objects may be
 */
export function checkBody(
  key: string,
  body: Uint8Array | readonly Uint8Array[],
): { readonly buffers: readonly Uint8Array[]; readonly sizeBytes: number } {
  const buffers = body instanceof Uint8Array ? [body] : body;
  const sizeBytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
  if (sizeBytes > maxObjectBytes) {
    throw invalid(`${key} would have ${sizeBytes} bytes`, `objects have at most ${maxObjectBytes} bytes`);
  }
  return { buffers, sizeBytes };
}

/**
 * Keeps a size that somebody else put down from taking all memory.
 * @throws {BtarError} OBJECT_DAMAGED when an object is larger than btar ever stores one
 */
export function checkStoredSize(object: { readonly key: string; readonly store: string; readonly sizeBytes: number }) {
  if (object.sizeBytes <= maxObjectBytes) return;
  throw new BtarError("OBJECT_DAMAGED", {
    message: `${object.key} in ${object.store} has ${object.sizeBytes} bytes, more than any object of btar`,
    hint: "it was not written by btar: find out who else writes to this store",
    details: { object: object.key, store: object.store },
  });
}

/** Order of the keys' bytes. Keys are ASCII, so it is the order of JavaScript's strings. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function isSegment(segment: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(segment) && segment !== "." && segment !== "..";
}

function invalid(message: string, hint: string): BtarError {
  return new BtarError("INVALID_INPUT", { message, hint });
}
