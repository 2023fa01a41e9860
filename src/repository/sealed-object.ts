import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { constants, createZstdCompress, zstdDecompress } from "node:zlib";
import { BtarError } from "../domain/errors.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import type { DataKey, DataKeys } from "./data-keys.ts";

/** What a sealed object is; part of what is authenticated, so one kind cannot stand for another. */
export const objectRoles = { manifest: 1, logPiece: 2, description: 3, logHistory: 4 } as const;
export type ObjectRole = keyof typeof objectRoles;

const magic = Buffer.from("BTAR");
const formatVersion = 1;
const prefixBytes = 40;
const tagBytes = 16;
const checksumBytes = 32;
const minChunkBytes = 16 * 1024;
const maxChunkBytes = 1024 * 1024;

const decompress = promisify(zstdDecompress);

/**
 * Seals a whole object: zstd, then AES-256-GCM under a key of its own, bound to its role and name.
 * Layout in docs/repository-format.md, "Sealed objects".
 * @param request.name the object's key in the store
 * @param request.header clear but authenticated text for whoever has no key; at most 64 KiB
 */
export async function sealObject(request: {
  readonly role: ObjectRole;
  readonly name: string;
  readonly key: DataKey;
  readonly plain: Uint8Array;
  readonly header?: string;
  readonly compressionLevel: number;
}): Promise<readonly Uint8Array[]> {
  const header = Buffer.from(request.header ?? "", "utf8");
  const salt = randomBytes(16);
  const prefix = Buffer.alloc(prefixBytes);
  magic.copy(prefix, 0);
  prefix.writeUInt8(formatVersion, 4);
  prefix.writeUInt8(objectRoles[request.role], 5);
  prefix.writeUInt16LE(header.length, 6);
  prefix.write(request.key.id, 8, "hex");
  salt.copy(prefix, 16);
  prefix.writeUInt32LE(request.plain.length, 32);
  const cipher = createCipheriv("aes-256-gcm", objectKey(request.key, salt), zeroNonce);
  cipher.setAAD(Buffer.concat([prefix, header, Buffer.from(request.name, "utf8")]));
  const text = await sealedParts(cipher, request.plain, request.compressionLevel);
  const parts = [prefix, header, ...text, cipher.final(), cipher.getAuthTag()];
  const checksum = createHash("sha256");
  for (const part of parts) checksum.update(part);
  return [...parts, checksum.digest()];
}

/** Compresses and encrypts in parts: log that arrives fast would take twice the memory if they were joined in between. */
async function sealedParts(cipher: CipherGCM, plain: Uint8Array, level: number): Promise<readonly Buffer[]> {
  const packed = createZstdCompress({
    // By default output comes in 16 KiB, which costs as much as a fifth of compressing.
    chunkSize: Math.min(maxChunkBytes, Math.max(minChunkBytes, plain.length)),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
  packed.end(plain);
  const text: Buffer[] = [];
  for await (const part of packed as AsyncIterable<Buffer>) {
    text.push(cipher.update(part));
    // More may come to a part that is not full.
    if (part.length === part.buffer.byteLength) releaseMemory(part);
  }
  return text;
}

/**
 * Opens what `sealObject` made.
 * @throws {BtarError} OBJECT_DAMAGED when a byte differs, or it stands under another name or for another role;
 *   UNSUPPORTED_FORMAT for a version of the future; KEY_UNAVAILABLE when its key is not there
 */
export async function openObject(request: {
  readonly role: ObjectRole;
  readonly name: string;
  readonly keys: DataKeys;
  readonly sealed: Buffer;
}): Promise<Buffer> {
  const { sealed, name } = request;
  checkSealedObject(name, sealed);
  const headerBytes = sealed.readUInt16LE(6);
  if (sealed.readUInt8(5) !== objectRoles[request.role]) throw damaged(name, "it is of another kind");
  const key = request.keys.byId(sealed.toString("hex", 8, 16));
  const bodyAt = prefixBytes + headerBytes;
  const decipher = createDecipheriv("aes-256-gcm", objectKey(key, sealed.subarray(16, 32)), zeroNonce);
  decipher.setAAD(Buffer.concat([sealed.subarray(0, bodyAt), Buffer.from(name, "utf8")]));
  decipher.setAuthTag(sealed.subarray(sealed.length - checksumBytes - tagBytes, sealed.length - checksumBytes));
  const plainBytes = sealed.readUInt32LE(32);
  try {
    const packed = decipher.update(sealed.subarray(bodyAt, sealed.length - checksumBytes - tagBytes));
    decipher.final();
    const plain = await decompress(packed, { maxOutputLength: Math.max(plainBytes, 1), chunkSize: plainBytes + 1024 });
    releaseMemory(packed);
    if (plain.length !== plainBytes) throw new Error(`${plain.length} bytes instead of ${plainBytes}`);
    return plain;
  } catch (cause) {
    throw damaged(name, "it does not open: altered, or stored under another name", cause);
  }
}

/**
 * Checks a sealed object as far as is possible without a key: form and checksum.
 * @throws {BtarError} OBJECT_DAMAGED, UNSUPPORTED_FORMAT
 */
export function checkSealedObject(name: string, sealed: Buffer): void {
  if (sealed.length < prefixBytes + tagBytes + checksumBytes) throw damaged(name, "it is cut short");
  if (!sealed.subarray(0, 4).equals(magic)) throw damaged(name, "it does not start like an object of btar");
  if (sealed.readUInt8(4) !== formatVersion) {
    throw new BtarError("UNSUPPORTED_FORMAT", {
      message: `${name} is of format version ${sealed.readUInt8(4)}`,
      hint: `this btar reads version ${formatVersion}; use a newer one`,
    });
  }
  if (prefixBytes + sealed.readUInt16LE(6) + tagBytes + checksumBytes > sealed.length) {
    throw damaged(name, "it is cut short");
  }
  const expected = sealed.subarray(sealed.length - checksumBytes);
  const actual = createHash("sha256")
    .update(sealed.subarray(0, sealed.length - checksumBytes))
    .digest();
  if (!timingSafeEqual(expected, actual)) throw damaged(name, "its checksum does not match its bytes");
}

/** The authenticated clear header of a sealed object that was checked before. */
export function sealedHeader(sealed: Buffer): string {
  return sealed.toString("utf8", prefixBytes, prefixBytes + sealed.readUInt16LE(6));
}

// Each object has a key of its own (16 random bytes of salt), so a fixed nonce is used once only.
const zeroNonce = Buffer.alloc(12);

function objectKey(key: DataKey, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", key.bytes, salt, "btar object 1", 32));
}

function damaged(name: string, what: string, cause?: unknown): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${name} is damaged: ${what}`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: name },
    cause,
  });
}
