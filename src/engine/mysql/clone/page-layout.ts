import { crc32c } from "@node-rs/crc32";

/** What is to be known of InnoDB's pages and tablespaces. */

/** Ids that InnoDB gives its own tablespaces. */
export const spaceIds = { system: 0, redo: 0xffff_fff0, dataDictionary: 0xffff_fffe } as const;

/** Undo tablespaces have the ids below the redo log's: at most 127, each with a range of its own. */
const undoIds = 127 * 400_000;

export function isUndoSpace(spaceId: number): boolean {
  return spaceId < spaceIds.redo && spaceId >= spaceIds.redo - undoIds;
}

/** What the flags of a tablespace tell. */
export interface TablespaceLayout {
  /** Bytes of a page in the file. */
  readonly pageBytes: number;
  /** Files of more than one extent are of whole extents. */
  readonly extentBytes: number;
  /** Holds tables by their own choice (general, system), not one table each. */
  readonly isShared: boolean;
  readonly isEncrypted: boolean;
  /** Where page 0 has the tablespace's key, if it has one. */
  readonly encryptionOffset: number;
}

const mebibyte = 1024 * 1024;

export function tablespaceLayout(flags: number): TablespaceLayout {
  const logicalBytes = sizeOf((flags >>> 6) & 0xf) ?? 16 * 1024;
  const pageBytes = sizeOf((flags >>> 1) & 0xf) ?? logicalBytes;
  const extentPages = logicalBytes <= 16 * 1024 ? mebibyte / logicalBytes : 64;
  return {
    pageBytes,
    extentBytes: pageBytes * extentPages,
    isShared: (flags & (1 << 11)) !== 0,
    isEncrypted: (flags & (1 << 13)) !== 0,
    encryptionOffset: 150 + (24 + extentPages / 4) * (pageBytes / extentPages),
  };
}

function sizeOf(code: number): number | undefined {
  return code === 0 ? undefined : 512 << code;
}

/** A file as long as it must be for InnoDB to open it. */
export function roundedSize(sizeBytes: number, { extentBytes }: TablespaceLayout): number {
  return sizeBytes <= extentBytes ? sizeBytes : Math.ceil(sizeBytes / extentBytes) * extentBytes;
}

/** Pages that a new tablespace has. */
const initialPages = 7;
const initialUndoBytes = 16 * mebibyte;

/** A file that is created while a clone runs has at least this size. */
export function initialSize(spaceId: number, { pageBytes }: TablespaceLayout): number {
  return isUndoSpace(spaceId) ? initialUndoBytes : initialPages * pageBytes;
}

/** The versions of server and tablespace in page 0: bytes 8 to 15 of every tablespace's first page. */
export const versionFields = { start: 8, end: 16 } as const;

/**
 * The first page of a tablespace that was created while a clone ran, as InnoDB writes it: crash recovery finds by it
 * which redo is the file's.
 * @param versions bytes 8 to 15 of another tablespace's first page
 * @param key of an encrypted tablespace: 64 bytes, as the donor gave them
 */
export function initialPage(tablespace: {
  readonly flags: number;
  readonly spaceId: number;
  readonly versions: Buffer;
  readonly key: Buffer | undefined;
}): Buffer {
  const layout = tablespaceLayout(tablespace.flags);
  const page = Buffer.alloc(layout.pageBytes);
  tablespace.versions.copy(page, versionFields.start);
  page.writeUInt32BE(tablespace.spaceId, 34);
  page.writeUInt32BE(tablespace.spaceId, 38);
  page.writeUInt32BE(tablespace.flags, 54);
  if (tablespace.key) encryptionBlock(tablespace.key).copy(page, layout.encryptionOffset);
  const isCompressed = ((tablespace.flags >>> 1) & 0xf) !== 0;
  page.writeUInt32BE(isCompressed ? compressedChecksum(page) : pageChecksum(page), 0);
  if (!isCompressed) page.writeUInt32BE(page.readUInt32BE(0), page.length - 8);
  return page;
}

/** @returns InnoDB's `crc32` checksum of a page that is not compressed */
export function pageChecksum(page: Buffer): number {
  return (crc32c(page.subarray(4, 26)) ^ crc32c(page.subarray(38, page.length - 8))) >>> 0;
}

/** @returns InnoDB's `crc32` checksum of a page of a KEY_BLOCK_SIZE table */
export function compressedChecksum(page: Buffer): number {
  return (crc32c(page.subarray(4, 16)) ^ crc32c(page.subarray(24, 26)) ^ crc32c(page.subarray(34))) >>> 0;
}

/** Magic, number of the master key, its server's UUID, key and vector, their CRC-32C, and four bytes to spare. */
const encryptionMagic = Buffer.from("lCC");
const keyOffset = 3 + 4 + 36;
const keyBytes = 64;
export const encryptionBlockBytes = keyOffset + keyBytes + 4 + 4;

/** Redo file 0 has the key of the redo log here. */
export const redoEncryptionOffset = 1024 + 48;

/**
 * @returns whether the block that holds a file's key is as it was made; undefined when there is none, or the key is
 *   wrapped by a master key of the donor's, which cannot be checked
 */
export function checkEncryptionBlock(block: Buffer): "sound" | "damaged" | undefined {
  if (block.length < encryptionBlockBytes || !block.subarray(0, 3).equals(encryptionMagic)) return undefined;
  if (block.readUInt32BE(3) !== 0) return undefined;
  return crc32c(encryptionKey(block)) === block.readUInt32BE(keyOffset + keyBytes) ? "sound" : "damaged";
}

/** Key and vector in the block that holds a file's key: 64 bytes, a view. */
export function encryptionKey(block: Buffer): Buffer {
  return block.subarray(keyOffset, keyOffset + keyBytes);
}

/**
 * Which master key wraps the key in a block; undefined when there is no key. Number 0 is of none: it is not wrapped, or
 * by the one that is built in.
 */
export function encryptionMasterKey(
  block: Buffer,
): { readonly number: number; readonly serverUuid: string } | undefined {
  if (block.length < encryptionBlockBytes || !block.subarray(0, 3).equals(encryptionMagic)) return undefined;
  return { number: block.readUInt32BE(3), serverUuid: block.toString("latin1", 7, keyOffset) };
}

/** The key in the block is not wrapped any more. */
export function forgetMasterKey(block: Buffer): void {
  block.writeUInt32BE(0, 3);
}

function encryptionBlock(key: Buffer): Buffer {
  const block = Buffer.alloc(encryptionBlockBytes);
  encryptionMagic.copy(block);
  key.copy(block, keyOffset);
  block.writeUInt32BE(crc32c(key), keyOffset + keyBytes);
  return block;
}
