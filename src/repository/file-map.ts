import { BtarError } from "../domain/errors.ts";
import type { BlobRef } from "./blob.ts";

/** Files are rows of extents of this many bytes; the last one of a file may be shorter. */
export const extentBytes = 1024 * 1024;

/** Unit of fingerprints and deltas: PostgreSQL's page. */
export const pageBytes = 8192;

/**
 * How the content of one extent is stored. A stored blob may be longer or shorter than the extent, when the file was
 * truncated or has grown since: it is cut, or followed by zeros.
 */
export type Extent =
  /** All zeros; nothing is stored. */
  | { readonly kind: "hole"; readonly plainBytes: number }
  | WholeExtent
  /** Some pages over a whole extent. */
  | DeltaExtent;

export interface WholeExtent {
  readonly kind: "whole";
  readonly plainBytes: number;
  readonly blob: ExtentBlob;
}

export interface DeltaExtent {
  readonly kind: "delta";
  readonly plainBytes: number;
  readonly base: ExtentBlob;
  /** Holds the pages of several extents, one after the other. */
  readonly delta: BlobRef;
  /** Where this extent's pages begin in the delta's plain content, bytes. */
  readonly deltaOffset: number;
  /** Which pages of the extent they are, ascending. */
  readonly pages: readonly number[];
  /** Of these pages. */
  readonly fingerprints: BigUint64Array;
}

/** The blob of a whole extent. */
export interface ExtentBlob extends BlobRef {
  /** Number of its first page's fingerprint among those of its pack. */
  readonly firstFingerprint: number;
}

/** Where the bytes of one file are. */
export interface FileMap {
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
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

/** A pack and its blob of fingerprints, 8 bytes for each page of its whole extents; of no bytes when it has none. */
export interface MappedPack extends PackRef {
  readonly fingerprints: Omit<BlobRef, "pack">;
}

/** Several file maps and the packs that their blobs are in: one blob of role `file-map`. */
export interface FileMapGroup {
  readonly packs: readonly MappedPack[];
  readonly files: readonly FileMap[];
}

const extentRecordBytes = 64;
const pageMapBytes = 16;
const fileHeadBytes = 16;
const packRecordBytes = 80;
const kinds = ["hole", "whole", "delta"] as const;

/** Length of a page of an extent: the last one of a file may be short. */
export function pageLength(extentPlainBytes: number, page: number): number {
  return Math.min(pageBytes, extentPlainBytes - page * pageBytes);
}

/** Number of extents, or of pages, that a size takes. */
export function partsOf(sizeBytes: number, partBytes: number): number {
  return Math.ceil(sizeBytes / partBytes);
}

/** The extent with its packs numbered otherwise. */
export function renumberExtent(extent: Extent, renumber: (pack: number) => number): Extent {
  if (extent.kind === "hole") return extent;
  if (extent.kind === "whole") return { ...extent, blob: { ...extent.blob, pack: renumber(extent.blob.pack) } };
  return {
    ...extent,
    base: { ...extent.base, pack: renumber(extent.base.pack) },
    delta: { ...extent.delta, pack: renumber(extent.delta.pack) },
  };
}

/** Packs that the extent's blobs are in. */
export function packsOf(extent: Extent): readonly number[] {
  if (extent.kind === "hole") return [];
  return extent.kind === "whole" ? [extent.blob.pack] : [extent.base.pack, extent.delta.pack];
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
    writePlace(bytes, at + 56, pack.fingerprints);
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
    const packs: MappedPack[] = [];
    for (let index = 0; index < packCount; index += 1, at += packRecordBytes) {
      packs.push({
        sha256: hex(bytes, at, 32),
        session: hex(bytes, at + 32, 16),
        keyId: hex(bytes, at + 48, 8),
        fingerprints: readPlace(bytes, at + 56),
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

/** Bytes that a file takes in a group. */
export function fileRecordBytes(file: FileMap): number {
  return fileHeadBytes + file.extents.reduce((sum, extent) => sum + recordBytes(extent), 0);
}

function recordBytes(extent: Extent): number {
  return extent.kind === "delta" ? extentRecordBytes + pageMapBytes + extent.pages.length * 8 : extentRecordBytes;
}

function writeFile(bytes: Buffer, start: number, file: FileMap): number {
  bytes.writeBigUInt64LE(BigInt(file.sizeBytes), start);
  bytes.writeUInt32LE(file.extents.length, start + 8);
  let at = start + fileHeadBytes;
  for (const extent of file.extents) {
    bytes.writeUInt8(kinds.indexOf(extent.kind), at);
    bytes.writeUInt32LE(extent.plainBytes, at + 4);
    if (extent.kind === "whole") writeBlobRef(bytes, at + 8, extent.blob, extent.blob.firstFingerprint);
    if (extent.kind === "delta") {
      writeBlobRef(bytes, at + 8, extent.base, extent.base.firstFingerprint);
      writeBlobRef(bytes, at + 36, extent.delta, extent.deltaOffset);
      writePages(bytes, at + extentRecordBytes, extent);
    }
    at += recordBytes(extent);
  }
  return at;
}

function writePages(bytes: Buffer, at: number, { pages, fingerprints }: DeltaExtent): void {
  for (const [index, page] of pages.entries()) {
    const byte = at + (page >> 3);
    bytes.writeUInt8(bytes.readUInt8(byte) | (1 << (page & 7)), byte);
    bytes.writeBigUInt64LE(fingerprints[index] ?? 0n, at + pageMapBytes + index * 8);
  }
}

function readFile(bytes: Buffer, start: number, packCount: number): { readonly file: FileMap; readonly next: number } {
  const sizeBytes = Number(bytes.readBigUInt64LE(start));
  const count = bytes.readUInt32LE(start + 8);
  if (count !== partsOf(sizeBytes, extentBytes)) throw new RangeError(`${count} extents for ${sizeBytes} bytes`);
  const extents: Extent[] = [];
  let at = start + fileHeadBytes;
  for (let index = 0; index < count; index += 1) {
    const extent = readExtent(bytes, at, packCount);
    if (extent.plainBytes !== Math.min(extentBytes, sizeBytes - index * extentBytes)) {
      throw new RangeError("extent length");
    }
    extents.push(extent);
    at += recordBytes(extent);
  }
  return { file: { sizeBytes, extents }, next: at };
}

function readExtent(bytes: Buffer, at: number, packCount: number): Extent {
  const kind = kinds[bytes.readUInt8(at)];
  const plainBytes = bytes.readUInt32LE(at + 4);
  if (at + extentRecordBytes > bytes.length) throw new RangeError("cut short");
  if (kind === "hole") return { kind, plainBytes };
  if (kind === "whole") return { kind, plainBytes, blob: readExtentBlob(bytes, at + 8, packCount) };
  if (kind !== "delta") throw new RangeError("kind of extent");
  const base = readExtentBlob(bytes, at + 8, packCount);
  const { extra: deltaOffset, ...delta } = readBlobRef(bytes, at + 36, packCount);
  const pages = readPages(bytes, at + extentRecordBytes, partsOf(plainBytes, pageBytes));
  const fingerprints = new BigUint64Array(pages.length);
  const first = at + extentRecordBytes + pageMapBytes;
  for (let index = 0; index < pages.length; index += 1) fingerprints[index] = bytes.readBigUInt64LE(first + index * 8);
  const length = pages.reduce((sum, page) => sum + pageLength(plainBytes, page), 0);
  if (deltaOffset + length > delta.plainBytes) throw new RangeError("pages beyond their delta");
  return { kind, plainBytes, base, delta, deltaOffset, pages, fingerprints };
}

function readPages(bytes: Buffer, at: number, pageCount: number): number[] {
  const pages: number[] = [];
  for (let page = 0; page < pageMapBytes * 8; page += 1) {
    if ((bytes.readUInt8(at + (page >> 3)) & (1 << (page & 7))) === 0) continue;
    if (page >= pageCount) throw new RangeError(`page ${page} of ${pageCount}`);
    pages.push(page);
  }
  return pages;
}

/** @param extra 32 bits for which the reference leaves room */
function writeBlobRef(bytes: Buffer, at: number, blob: BlobRef, extra: number): void {
  bytes.writeUInt32LE(blob.pack, at);
  writePlace(bytes, at + 4, blob);
  bytes.writeUInt32LE(extra, at + 24);
}

function writePlace(bytes: Buffer, at: number, place: Omit<BlobRef, "pack">): void {
  bytes.writeUInt32LE(place.offset, at);
  bytes.writeUInt32LE(place.sealedBytes, at + 4);
  bytes.writeUInt32LE(place.plainBytes, at + 8);
  bytes.writeBigUInt64LE(BigInt(place.sequence), at + 12);
}

function readExtentBlob(bytes: Buffer, at: number, packCount: number): ExtentBlob {
  const { extra: firstFingerprint, ...blob } = readBlobRef(bytes, at, packCount);
  if (blob.plainBytes > extentBytes) throw new RangeError("extent length");
  return { ...blob, firstFingerprint };
}

function readBlobRef(bytes: Buffer, at: number, packCount: number): BlobRef & { readonly extra: number } {
  const pack = bytes.readUInt32LE(at);
  if (pack >= packCount) throw new RangeError(`pack ${pack} of ${packCount}`);
  return { pack, ...readPlace(bytes, at + 4), extra: bytes.readUInt32LE(at + 24) };
}

function readPlace(bytes: Buffer, at: number): Omit<BlobRef, "pack"> {
  return {
    offset: bytes.readUInt32LE(at),
    sealedBytes: bytes.readUInt32LE(at + 4),
    plainBytes: bytes.readUInt32LE(at + 8),
    sequence: Number(bytes.readBigUInt64LE(at + 12)),
  };
}

function hex(bytes: Buffer, at: number, length: number): string {
  if (at + length > bytes.length) throw new RangeError("cut short");
  return bytes.toString("hex", at, at + length);
}
