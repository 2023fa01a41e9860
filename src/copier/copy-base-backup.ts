import type { ObjectStore } from "../object-store/object-store.ts";
import { checkNamedObjects } from "../repository/absent-packs.ts";
import { type BackupManifest, packBytes } from "../repository/manifest.ts";
import { objectNames } from "../repository/object-names.ts";
import { missingObject, Repository } from "../repository/repository.ts";
import { checkSealedObject } from "../repository/sealed-object.ts";
import type { Pace } from "./bandwidth-limit.ts";
import { copyObject } from "./copy-object.ts";

const packsCopiedAtOnce = 3;

export interface CopyBaseBackupOptions {
  readonly source: ObjectStore;
  readonly destination: ObjectStore;
  readonly serviceId: string;
  readonly backupId: string;
  readonly masterKey: Uint8Array;
  readonly signal: AbortSignal;
  /** How fast the source is read (C7); undefined: as fast as it goes. */
  readonly pace?: Pace | undefined;
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface CopyProgress {
  /** Bytes of the backup that the destination holds by now. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes that really had to be sent. */
  readonly sentBytes: number;
}

/**
 * Copies a complete base backup from store to store (C1-C5): keys and description, packs that the destination lacks,
 * the manifest last. What is there is there, so that a copy that was cut off goes on where it stopped.
 * @throws {BtarError} NO_BACKUP, OBJECT_MISSING, OBJECT_DAMAGED
 */
export async function copyBaseBackup(options: CopyBaseBackupOptions): Promise<CopyProgress> {
  const { source, destination, serviceId, backupId, masterKey, signal, pace } = options;
  const repository = await Repository.open({ store: source, serviceId, masterKey, compressionLevel: 1, signal });
  const manifest = await repository.manifest(backupId, { signal });
  let sentBytes = await copyServiceObjects(options, manifest);
  const verified = await verifiedPacks(options);
  const totalBytes = packBytes(manifest);
  let doneBytes = 0;
  options.onProgress?.({ doneBytes, totalBytes, sentBytes });
  const copyPack = async (pack: BackupManifest["packs"][number]) => {
    if (!verified.has(pack.sha256)) {
      const key = objectNames.pack(serviceId, pack.sha256);
      const sent = await copyObject({ source, destination, key, signal, pace }, { kind: "sha256", hex: pack.sha256 });
      sentBytes += sent; // after the waiting: others add to it meanwhile
    }
    doneBytes += pack.sizeBytes;
    options.onProgress?.({ doneBytes, totalBytes, sentBytes });
  };
  await forEachAtOnce(manifest.packs, packsCopiedAtOnce, copyPack);
  await checkNamedObjects({ store: destination, serviceId }, manifest, { signal });
  sentBytes += await copySealed(options, objectNames.manifest(serviceId, backupId));
  return { doneBytes, totalBytes, sentBytes };
}

/** The data keys, and the description that the manifest names: small, and needed by every restore. */
async function copyServiceObjects(options: CopyBaseBackupOptions, manifest: BackupManifest): Promise<number> {
  const { source, serviceId, signal } = options;
  let sentBytes = 0;
  for await (const { key } of source.list(objectNames.keys(serviceId), { signal })) {
    sentBytes += await copyKey(options, key);
  }
  sentBytes += await copySealed(options, objectNames.description(serviceId, manifest.descriptionVersion));
  return sentBytes;
}

async function copySealed(options: CopyBaseBackupOptions, key: string): Promise<number> {
  return await copyObject({ ...options, key }, { kind: "embedded", check: (bytes) => checkSealedObject(key, bytes) });
}

/** A wrapped key is authenticated by whoever unwraps it; here it only must arrive as it was. */
async function copyKey(options: CopyBaseBackupOptions, key: string): Promise<number> {
  if (!(await options.source.head(key, { signal: options.signal }))) throw missingObject(key, options.source);
  return await copyObject({ ...options, key }, { kind: "embedded", check: () => undefined });
}

/**
 * Packs that a complete backup at the destination names: they were verified when it was copied. Others may be there
 * as well, left by a copy that was cut off; those are verified again.
 */
async function verifiedPacks(options: CopyBaseBackupOptions): Promise<ReadonlySet<string>> {
  const { destination, serviceId, masterKey, signal } = options;
  const repository = await Repository.open({ store: destination, serviceId, masterKey, compressionLevel: 1, signal });
  const newest = (await repository.backupIds({ signal })).at(-1);
  if (newest === undefined) return new Set();
  return new Set((await repository.manifest(newest, { signal })).packs.map((pack) => pack.sha256));
}

async function forEachAtOnce<T>(items: readonly T[], limit: number, task: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const failure = new AbortController();
  const worker = async () => {
    for (const item of queue) {
      if (failure.signal.aborted) return;
      try {
        await task(item);
      } catch (error) {
        failure.abort();
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
