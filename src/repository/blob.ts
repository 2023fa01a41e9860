import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { releaseMemory } from "../platform/release-memory.ts";
import { BlobCompressor, compressedRoom } from "./blob-compression.ts";
import { strideBytes, TupleFilter, undoTupleFilter } from "./tuple-filter.ts";

/**
 * A blob is one piece of sealed content in a pack: zstd, then AES-256-GCM. Its nonce is a number that is used once
 * under the pack key, and its role is authenticated. Layout in docs/repository-format.md, "Packs".
 */
export type BlobRole = "extent" | "delta" | "file-map" | "fingerprints" | "index";

/** Where a blob lies. `pack` says in which table of packs to look; see the one who holds it. */
export interface BlobRef {
  readonly pack: number;
  readonly offset: number;
  readonly sealedBytes: number;
  readonly plainBytes: number;
  /** The blob's number under its pack key: the nonce. */
  readonly sequence: number;
}

const tagBytes = 16;

/** First byte of what is sealed: whether pages went through the tuple filter before they were compressed. */
const asItIs = Buffer.of(0);
const filtered = Buffer.of(1);

const alignment = 8;

/** Room for a plain blob and for what it becomes, whatever that is; a multiple of eight bytes. */
export function sealedRoom(plainBytes: number): number {
  const text = asItIs.length + compressedRoom(plainBytes + strideBytes(plainBytes));
  return Math.ceil((text + tagBytes) / alignment) * alignment;
}

/** A thread's own: what it returns is compressed before it is used again. */
const filter = new TupleFilter();
const compressor = new BlobCompressor();

/** The key that all packs of one writer's run share. `session`: 16 random bytes of that run. */
export function packKey(dataKey: Uint8Array, session: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", dataKey, session, "btar pack 1", 32));
}

/** Compresses and seals; returns the parts, which belong one after the other. */
export function sealBlob(
  key: Uint8Array,
  blob: { readonly role: BlobRole; readonly sequence: number; readonly plain: Uint8Array; readonly level: number },
): readonly Buffer[] {
  const pages = blob.role === "extent" || blob.role === "delta" ? filter.apply(blob.plain) : undefined;
  const packed = compressor.compress(pages ?? blob.plain, blob.level);
  const cipher = createCipheriv("aes-256-gcm", key, nonce(blob.sequence));
  cipher.setAAD(roleText[blob.role]);
  const text = [cipher.update(pages ? filtered : asItIs), cipher.update(packed)];
  cipher.final();
  releaseMemory(packed);
  return [...text, cipher.getAuthTag()];
}

/** @throws Error when a byte differs, or it is another blob than the one asked for */
export function openBlob(
  key: Uint8Array,
  blob: {
    readonly role: BlobRole;
    readonly sequence: number;
    readonly sealed: Uint8Array;
    readonly plainBytes: number;
  },
): Buffer {
  const textBytes = blob.sealed.length - tagBytes;
  if (textBytes < 1) throw new Error("cut short");
  const decipher = createDecipheriv("aes-256-gcm", key, nonce(blob.sequence));
  decipher.setAAD(roleText[blob.role]);
  decipher.setAuthTag(blob.sealed.subarray(textBytes));
  const text = decipher.update(blob.sealed.subarray(0, textBytes));
  decipher.final();
  const isFiltered = text[0] === filtered[0];
  if (!isFiltered && text[0] !== asItIs[0]) throw new Error(`it begins with ${text[0]}, which has no meaning`);
  const length = blob.plainBytes + (isFiltered ? strideBytes(blob.plainBytes) : 0);
  // A chunk a little larger than the output makes zstd write it in one go.
  const plain = zstdDecompressSync(text.subarray(1), {
    chunkSize: length + 1024,
    maxOutputLength: Math.max(length, 1),
  });
  releaseMemory(text);
  if (plain.length !== length) throw new Error(`${plain.length} bytes instead of ${length}`);
  return isFiltered ? undoTupleFilter(plain, blob.plainBytes) : plain;
}

const roleText: Readonly<Record<BlobRole, Buffer>> = {
  extent: Buffer.from("btar extent 1"),
  delta: Buffer.from("btar delta 1"),
  "file-map": Buffer.from("btar file map 1"),
  fingerprints: Buffer.from("btar fingerprints 1"),
  index: Buffer.from("btar pack index 1"),
};

function nonce(sequence: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(sequence), 4);
  return bytes;
}
