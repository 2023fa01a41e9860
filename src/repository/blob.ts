import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { releaseMemory } from "../platform/release-memory.ts";
import { BlobCompressor, compressedRoom } from "./blob-compression.ts";
import { extentBytes } from "./file-map.ts";
import { RowFilter } from "./row-filter.ts";
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

/** First byte of what is sealed: the filter that pages went through before they were compressed. */
const forms = { asItIs: 0, tuples: 1, rows: 2 } as const;
type Form = keyof typeof forms;
const formBytes = 1;

const alignment = 8;

/** Room for a plain blob and for what it becomes, whatever that is; a multiple of eight bytes. */
export function sealedRoom(plainBytes: number): number {
  const text = formBytes + compressedRoom(plainBytes + strideBytes(plainBytes));
  return Math.ceil((text + tagBytes) / alignment) * alignment;
}

/** A thread's own: what it returns is compressed before it is used again. */
const tupleFilter = new TupleFilter();
const rowFilter = new RowFilter();
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
  const { form, content } = filtered(blob.role, blob.plain);
  const packed = compressor.compress(content, blob.level);
  const cipher = createCipheriv("aes-256-gcm", key, nonce(blob.sequence));
  cipher.setAAD(roleText[blob.role]);
  const text = [cipher.update(Buffer.of(forms[form])), cipher.update(packed)];
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
  const form = formOf(text[0]);
  const length = blob.plainBytes + (form === "tuples" ? strideBytes(blob.plainBytes) : 0);
  // A chunk a little larger than the output makes zstd write it in one go.
  const content = zstdDecompressSync(text.subarray(formBytes), {
    chunkSize: length + 1024,
    maxOutputLength: Math.max(length, 1),
  });
  releaseMemory(text);
  if (form === "rows") {
    const plain = rowFilter.undo(content, blob.plainBytes);
    releaseMemory(content);
    return plain;
  }
  if (content.length !== length) throw new Error(`${content.length} bytes instead of ${length}`);
  return form === "tuples" ? undoTupleFilter(content, blob.plainBytes) : content;
}

/** Pages of PostgreSQL or MySQL that a filter is fit for, and has room for; all else as it is. */
function filtered(role: BlobRole, plain: Uint8Array): { readonly form: Form; readonly content: Uint8Array } {
  const arePages = (role === "extent" || role === "delta") && plain.length <= extentBytes;
  if (!arePages) return { form: "asItIs", content: plain };
  const tuples = tupleFilter.apply(plain);
  if (tuples) return { form: "tuples", content: tuples };
  const rows = rowFilter.apply(plain);
  return rows ? { form: "rows", content: rows } : { form: "asItIs", content: plain };
}

function formOf(byte: number | undefined): Form {
  if (byte === forms.asItIs) return "asItIs";
  if (byte === forms.tuples) return "tuples";
  if (byte === forms.rows) return "rows";
  throw new Error(`it begins with ${byte}, which has no meaning`);
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
