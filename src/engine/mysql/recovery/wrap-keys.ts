import { createCipheriv } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { crc32c } from "@node-rs/crc32";
import { BtarError } from "../../../domain/errors.ts";
import {
  checkEncryptionBlock,
  compressedChecksum,
  encryptionBlockBytes,
  encryptionKey,
  pageChecksum,
  redoEncryptionOffset,
} from "../clone/page-layout.ts";
import type { RecoveryFacts } from "./recovery-facts.ts";

/**
 * MySQL's built-in master key, by which it wraps keys before it has one of its own: 16 letters, and zeros up to 32. It
 * protects nothing; the server that opens the files wraps their keys anew, by the master key of its keyring.
 */
const builtInKey = Buffer.concat([Buffer.from("DefaultMasterKey"), Buffer.alloc(16)]);

/** In blocks of this size redo files begin; a block's checksum is its last four bytes. */
const redoBlockBytes = 512;
const redoBlockStart = redoEncryptionOffset - (redoEncryptionOffset % redoBlockBytes);

/**
 * Makes encrypted files of a clone ones that a server with any keyring opens: their keys come unwrapped, which no server
 * takes. Those that are wrapped already, since it was done before, are left alone.
 * @param placeOf tells where a file of the backup is
 * @throws {BtarError} OBJECT_DAMAGED
 */
export async function wrapKeys(
  placeOf: (file: string) => string,
  { encryption, pageBytes: serverPageBytes, redoFiles }: RecoveryFacts,
): Promise<void> {
  for (const { path: file, pageBytes, keyOffset } of encryption.files) {
    await withFile(placeOf(file), async (handle) => {
      const page = await readAt(handle, file, { offset: 0, bytes: pageBytes });
      if (!wrapKey(page.subarray(keyOffset, keyOffset + encryptionBlockBytes))) return;
      const isCompressed = pageBytes < serverPageBytes;
      page.writeUInt32BE(isCompressed ? compressedChecksum(page) : pageChecksum(page), 0);
      if (!isCompressed) page.writeUInt32BE(page.readUInt32BE(0), page.length - 8);
      await handle.write(page, 0, page.length, 0);
    });
  }
  const [firstRedo] = redoFiles;
  if (!encryption.isRedoEncrypted || firstRedo === undefined) return;
  await withFile(placeOf(firstRedo), async (handle) => {
    const block = await readAt(handle, firstRedo, { offset: redoBlockStart, bytes: redoBlockBytes });
    const keyAt = redoEncryptionOffset - redoBlockStart;
    if (!wrapKey(block.subarray(keyAt, keyAt + encryptionBlockBytes))) return;
    block.writeUInt32BE(redoChecksum(block), redoBlockBytes - 4);
    await handle.write(block, 0, block.length, redoBlockStart);
  });
}

/** @returns whether it had to be done */
function wrapKey(block: Buffer): boolean {
  if (checkEncryptionBlock(block) !== "sound") return false;
  const key = encryptionKey(block);
  const cipher = createCipheriv("aes-256-ecb", builtInKey, null).setAutoPadding(false);
  Buffer.concat([cipher.update(key), cipher.final()]).copy(key);
  return true;
}

function redoChecksum(block: Buffer): number {
  return crc32c(block.subarray(0, redoBlockBytes - 4));
}

async function withFile(place: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(place, "r+");
  try {
    await work(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readAt(
  handle: FileHandle,
  file: string,
  { offset, bytes }: { readonly offset: number; readonly bytes: number },
): Promise<Buffer> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, offset);
  if (bytesRead === bytes) return buffer;
  throw new BtarError("OBJECT_DAMAGED", {
    message: `${file} of the base backup has ${offset + bytesRead} bytes, and should have its encryption key before byte ${offset + bytes}`,
    hint: "use another backup, or the same one of another location",
  });
}
