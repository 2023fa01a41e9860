import { BtarError } from "../domain/errors.ts";
import type { BlobRef } from "./blob.ts";

/** Files are rows of extents of this many bytes; the last one of a file may be shorter. */
export const extentBytes = 1024 * 1024;

/** Unit of fingerprints and deltas: PostgreSQL's page. */
export const pageBytes = 8192;

/** How the content of one extent is stored. */
export type Extent =
  /** All zeros; nothing is stored. */
  | { readonly kind: "hole"; readonly plainBytes: number }
  | { readonly kind: "whole"; readonly plainBytes: number; readonly blob: BlobRef }
  /** The pages in `delta` over the whole extent `base`. */
  | { readonly kind: "delta"; readonly plainBytes: number; readonly base: BlobRef; readonly delta: BlobRef };

/** Where the bytes of one file are. */
export interface FileMap {
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
  /** One 64-bit fingerprint per page (the last one may be short), little endian, 8 bytes each. */
  readonly fingerprints: Uint8Array;
}

/** A pack that blob references of a file map group point to. */
export interface PackRef {
  /** 64 hex digits. */
  readonly sha256: string;
  /** Of the run that wrote it, 32 hex digits; the pack key follows from it. */
  readonly session: string;
  /** 16 hex digits. */
  readonly keyId: string;
}

/** Several file maps and the packs that their blobs are in: one blob of role `file-map`. */
export interface FileMapGroup {
  readonly packs: readonly PackRef[];
  readonly files: readonly FileMap[];
}

const extentRecordBytes = 64;
const fileHeadBytes = 16;
const packRecordBytes = 56;
const kinds = ["hole", "whole", "delta"] as const;

/** Number of extents, or of pages, that a size takes. */
export function partsOf(sizeBytes: number, partBytes: number): number {
  return Math.ceil(sizeBytes / partBytes);
}

/** Layout in docs/repository-format.md, "File maps". */
export function encodeFileMapGroup(group: FileMapGroup): Buffer {
  const bytes = Buffer.alloc(
    8 + group.packs.length * packRecordBytes + group.files.reduce((sum, file) => sum + fileRecordBytes(file), 0),
  );
  bytes.writeUInt32LE(group.packs.length, 0);
  bytes.writeUInt32LE(group.files.length, 4);
  let at = 8;
  for (const pack of group.packs) {
    bytes.write(pack.sha256, at, "hex");
    bytes.write(pack.session, at + 32, "hex");
    bytes.write(pack.keyId, at + 48, "hex");
    at += packRecordBytes;
  }
  for (const file of group.files) at = writeFile(bytes, at, file);
  return bytes;
}

/** @throws {BtarError} OBJECT_DAMAGED when it contradicts itself */
export function decodeFileMapGroup(bytes: Buffer, name: string): FileMapGroup {
  try {
    const packCount = bytes.readUInt32LE(0);
    const fileCount = bytes.readUInt32LE(4);
    let at = 8;
    const packs: PackRef[] = [];
    for (let index = 0; index < packCount; index += 1, at += packRecordBytes) {
      packs.push({
        sha256: hex(bytes, at, 32),
        session: hex(bytes, at + 32, 16),
        keyId: hex(bytes, at + 48, 8),
      });
    }
    const files: FileMap[] = [];
    for (let index = 0; index < fileCount; index += 1) {
      const { file, next } = readFile(bytes, at, packCount);
      files.push(file);
      at = next;
    }
    if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes too many`);
    return { packs, files };
  } catch (cause) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `the file maps in ${name} do not read`,
      hint: "use another backup or another location",
      cause,
    });
  }
}

export function fileRecordBytes(file: Pick<FileMap, "extents" | "fingerprints">): number {
  return fileHeadBytes + file.extents.length * extentRecordBytes + file.fingerprints.length;
}

function writeFile(bytes: Buffer, start: number, file: FileMap): number {
  bytes.writeBigUInt64LE(BigInt(file.sizeBytes), start);
  bytes.writeUInt32LE(file.extents.length, start + 8);
  let at = start + fileHeadBytes;
  for (const extent of file.extents) {
    bytes.writeUInt8(kinds.indexOf(extent.kind), at);
    bytes.writeUInt32LE(extent.plainBytes, at + 4);
    if (extent.kind === "whole") writeBlobRef(bytes, at + 8, extent.blob);
    if (extent.kind === "delta") {
      writeBlobRef(bytes, at + 8, extent.base);
      writeBlobRef(bytes, at + 36, extent.delta);
    }
    at += extentRecordBytes;
  }
  bytes.set(file.fingerprints, at);
  return at + file.fingerprints.length;
}

function readFile(bytes: Buffer, start: number, packCount: number): { readonly file: FileMap; readonly next: number } {
  const sizeBytes = Number(bytes.readBigUInt64LE(start));
  const count = bytes.readUInt32LE(start + 8);
  if (count !== partsOf(sizeBytes, extentBytes)) throw new RangeError(`${count} extents for ${sizeBytes} bytes`);
  const extents: Extent[] = [];
  let at = start + fileHeadBytes;
  for (let index = 0; index < count; index += 1, at += extentRecordBytes) {
    const plainBytes = bytes.readUInt32LE(at + 4);
    if (plainBytes !== Math.min(extentBytes, sizeBytes - index * extentBytes)) throw new RangeError("extent length");
    const kind = kinds[bytes.readUInt8(at)];
    if (kind === "hole") extents.push({ kind, plainBytes });
    else if (kind === "whole") extents.push({ kind, plainBytes, blob: readBlobRef(bytes, at + 8, packCount) });
    else if (kind === "delta") {
      const base = readBlobRef(bytes, at + 8, packCount);
      extents.push({ kind, plainBytes, base, delta: readBlobRef(bytes, at + 36, packCount) });
    } else throw new RangeError("kind of extent");
  }
  const next = at + partsOf(sizeBytes, pageBytes) * 8;
  if (next > bytes.length) throw new RangeError("cut short");
  return { file: { sizeBytes, extents, fingerprints: bytes.subarray(at, next) }, next };
}

function writeBlobRef(bytes: Buffer, at: number, blob: BlobRef): void {
  bytes.writeUInt32LE(blob.pack, at);
  bytes.writeUInt32LE(blob.offset, at + 4);
  bytes.writeUInt32LE(blob.sealedBytes, at + 8);
  bytes.writeUInt32LE(blob.plainBytes, at + 12);
  bytes.writeBigUInt64LE(BigInt(blob.sequence), at + 16);
}

function readBlobRef(bytes: Buffer, at: number, packCount: number): BlobRef {
  const pack = bytes.readUInt32LE(at);
  if (pack >= packCount) throw new RangeError(`pack ${pack} of ${packCount}`);
  return {
    pack,
    offset: bytes.readUInt32LE(at + 4),
    sealedBytes: bytes.readUInt32LE(at + 8),
    plainBytes: bytes.readUInt32LE(at + 12),
    sequence: Number(bytes.readBigUInt64LE(at + 16)),
  };
}

function hex(bytes: Buffer, at: number, length: number): string {
  if (at + length > bytes.length) throw new RangeError("cut short");
  return bytes.toString("hex", at, at + length);
}
