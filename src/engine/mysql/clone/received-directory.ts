import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { throwIfCancelled } from "../../../platform/clock.ts";
import { type BaseBackupProgress, fileExtentBytes, type ScatteredFileSink } from "../../engine.ts";
import { cloneDirectory } from "../recovery/prepare-files.ts";
import { type ClonedFile, cloneDirectoryMode, cloneFileMode, type FinishedFiles } from "./donor-files.ts";
import { filePlace } from "./file-place.ts";
import { redoEncryptionOffset, type TablespaceLayout, tablespaceLayout } from "./page-layout.ts";
import type { MasterKeys } from "./unwrap-keys.ts";

/** The most that has to be seen of a file to know what it is. */
const headBytes = 64;
/** Fields of page 0 of a tablespace, and its type: FIL_PAGE_TYPE_FSP_HDR. */
const fields = { pageNumber: 4, pageType: 24, spaceId: 34, flags: 54 } as const;
const firstPageType = 8;
/** A file that is none of a tablespace, in the terms of a clone. */
const noSpaceId = 0xffff_ffff;

export interface ReceivedDirectoryOptions {
  /** Of the server that has received it. */
  readonly masterKeys: MasterKeys;
  /** Stored with the files. */
  readonly modifiedAt: Date;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BaseBackupProgress) => void;
}

/**
 * Stores a directory that a MySQL server has cloned another one into: under the names, and with the content, that the
 * files have when they are received without one. What the clone itself has written down of its course stays behind.
 * @throws {BtarError} UNSAFE_PATH, and what the sink throws
 */
export async function storeReceived(
  directory: string,
  sink: ScatteredFileSink,
  options: ReceivedDirectoryOptions,
): Promise<FinishedFiles & { readonly isRedoEncrypted: boolean }> {
  const { directories, files } = await listTree(directory);
  for (const name of directories) sink.directory(name, cloneDirectoryMode);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const stored: (ClonedFile & { readonly isEncryptedRedo: boolean })[] = [];
  let doneBytes = 0;
  for (const file of files) {
    const storing = { directory, sink, ...options };
    const onExtent = (bytes: number) => {
      doneBytes += bytes;
      options.onProgress({ doneBytes, totalBytes });
    };
    stored.push(await storeFile(storing, file, onExtent));
  }
  const redo = stored.map((file) => ({ path: file.path, index: redoIndex(file.path) }));
  const redoPaths = redo
    .flatMap(({ path: name, index }) => (index === undefined ? [] : [{ name, index }]))
    .sort((one, other) => one.index - other.index)
    .map(({ name }) => name);
  const isRedoEncrypted = stored.some(({ isEncryptedRedo }) => isEncryptedRedo);
  return { files: stored, externalLocations: new Map(), redoPaths, isRedoEncrypted };
}

interface FoundFile {
  /** Relative to the directory. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** In order of their names, directories before what is in them. */
async function listTree(root: string): Promise<{
  readonly directories: readonly string[];
  readonly files: readonly FoundFile[];
}> {
  const directories: string[] = [];
  const files: FoundFile[] = [];
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const name = path.relative(root, path.join(entry.parentPath, entry.name));
    if (name === cloneDirectory || name.startsWith(`${cloneDirectory}/`)) continue;
    if (entry.isDirectory()) directories.push(name);
    if (!entry.isFile()) continue;
    filePlace(Buffer.from(name), { isShared: false }); // refuses what a streamed clone would be refused for
    files.push({ name, sizeBytes: (await stat(path.join(root, name))).size });
  }
  return { directories: directories.sort(), files: files.sort((one, other) => (one.name < other.name ? -1 : 1)) };
}

async function storeFile(
  storing: ReceivedDirectoryOptions & { readonly directory: string; readonly sink: ScatteredFileSink },
  { name, sizeBytes }: FoundFile,
  onExtent: (bytes: number) => void,
): Promise<ClonedFile & { readonly isEncryptedRedo: boolean }> {
  const { directory, sink, modifiedAt, signal } = storing;
  const content = sink.openFile(name);
  const buffer = Buffer.allocUnsafeSlow(fileExtentBytes);
  let identity = identityOf(Buffer.alloc(0));
  let isEncryptedRedo = false;
  await using handle = await open(path.join(directory, name), "r");
  for (let at = 0; at < sizeBytes; at += fileExtentBytes) {
    throwIfCancelled(signal);
    const bytes = buffer.subarray(0, Math.min(fileExtentBytes, sizeBytes - at));
    await readInto(bytes, handle, { name, at });
    if (at === 0) {
      identity = identityOf(bytes);
      isEncryptedRedo = unwrapKey(bytes, name, { ...storing, ...identity });
    }
    await content.write(at / fileExtentBytes, [{ offset: 0, bytes }]);
    onExtent(bytes.length);
  }
  await content.finish({ path: name, sizeBytes, mode: cloneFileMode, modifiedAt });
  return { path: name, sizeBytes, ...identity, isEncryptedRedo };
}

/** @returns whether it is the key of the redo log */
function unwrapKey(
  firstBytes: Buffer,
  name: string,
  { masterKeys, layout }: { readonly masterKeys: MasterKeys; readonly layout: TablespaceLayout | undefined },
): boolean {
  if (layout?.isEncrypted) masterKeys.unwrap(firstBytes, { offset: layout.encryptionOffset, name });
  return redoIndex(name) !== undefined && masterKeys.unwrap(firstBytes, { offset: redoEncryptionOffset, name });
}

async function readInto(
  bytes: Buffer,
  handle: FileHandle,
  { name, at }: { readonly name: string; readonly at: number },
): Promise<void> {
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
  if (bytesRead === bytes.length) return;
  throw new BtarError("SERVER_DATA_CORRUPT", {
    message: `${name} of the clone ended at byte ${at + bytesRead} while it was read`,
    hint: "the base backup is taken again by itself",
  });
}

function identityOf(head: Buffer): { readonly spaceId: number; readonly layout: TablespaceLayout | undefined } {
  const isFirstPage =
    head.length >= headBytes &&
    head.readUInt32BE(fields.pageNumber) === 0 &&
    head.readUInt16BE(fields.pageType) === firstPageType;
  if (!isFirstPage) return { spaceId: noSpaceId, layout: undefined };
  return { spaceId: head.readUInt32BE(fields.spaceId), layout: tablespaceLayout(head.readUInt32BE(fields.flags)) };
}

/** Number of a redo file; undefined of another file. */
function redoIndex(name: string): number | undefined {
  const [, digits] = /^(?:#innodb_redo\/#ib_redo|ib_logfile)(\d+)$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
