/** Base backups small enough to be taken by the hundred, each on top of the one before. */
import type { LogNeed } from "../../src/domain/log-retention.ts";
import type { ObjectStore } from "../../src/object-store/object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import { type Collected, type CollectRequest, collect } from "../../src/repository/collect.ts";
import type { BackupManifest, ManifestHead } from "../../src/repository/manifest.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { ObjectRemoval } from "../../src/repository/object-removal.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { neverAborted, onTopOf, serviceId } from "./backup-fixture.ts";

export const stream = "7000000000000000001-00000001";

/** A position in the log, as its sortable text; 1 is as long as a piece. */
export function position(number: number): string {
  return (number * 0x100000).toString(16).toUpperCase().padStart(16, "0");
}

export class TinyBackups implements AsyncDisposable {
  readonly #workers = new BlobWorkers(1);

  /**
   * Takes a backup of `files` that needs the log from `at` to `at + 1`, on top of the newest one in the store.
   * @param options.isCutOff all is stored but the manifest
   */
  async take(
    repository: Repository,
    files: ReadonlyMap<string, Buffer>,
    options: { readonly backupId: string; readonly at: number; readonly isCutOff?: boolean },
  ): Promise<BackupManifest> {
    const { backupId, at } = options;
    const newest = (await repository.backupIds()).at(-1);
    const previous = newest === undefined ? undefined : onTopOf(repository, await repository.manifest(newest));
    const writtenAt = new Date(Date.UTC(2026, 2, 1) + at * 60_000);
    const descriptionVersion = await repository.putDescription({
      ...{ format: 1, serviceId, project: "demo", name: "shop", engine: "pg", kind: "managed", cloud: "local-north" },
      ...{ plan: "startup-4", version: "18", userConfig: {}, users: [], databases: ["defaultdb"] },
      writtenAt: writtenAt.toISOString(),
    });
    const writer = repository.baseBackupWriter({ workers: this.#workers, previous, signal: neverAborted });
    for (const [path, content] of files) {
      writer.beginFile({ path, sizeBytes: content.length, mode: 0o600, modifiedAt: new Date(0) });
      await writer.drained();
      writer.write(content);
      writer.endFile();
    }
    const { stored, dataBytes, storedBytes } = await writer.finish();
    const manifest: BackupManifest = {
      ...stored,
      ...{ backupId, serviceId, engine: "pg", reason: "request", descriptionVersion, dataBytes, storedBytes },
      ...{ startedAt: writtenAt, consistentAt: writtenAt, completedAt: writtenAt },
      identity: { version: "18.4", majorVersion: "18", systemId: "7000000000000000001" },
      log: { stream, start: position(at), end: position(at + 1) },
      engineFacts: { walSegmentBytes: 16 * 1024 * 1024, tablespaces: [] },
    };
    if (!options.isCutOff) await repository.putManifest(manifest);
    return manifest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers.close();
  }
}

/** Stores a piece of log from `at` to `at + 1`. */
export async function putLog(repository: Repository, at: number): Promise<void> {
  const piece = { stream, start: position(at), end: position(at + 1), newestCommitMicros: undefined };
  await repository.putLogPiece(piece, Buffer.from(`log ${at}`));
}

/** Collects as an agent does, of a store in which `known` stay, `kept` of them beyond the retention. */
export async function collectTiny(
  repository: Repository,
  options: {
    readonly known: readonly string[];
    readonly expired: readonly string[];
    readonly kept?: readonly string[];
    readonly removals?: ObjectStore;
    readonly mayGoOn?: () => void;
  } & Omit<Partial<CollectRequest>, "known" | "expired">,
): Promise<Collected & { readonly removal: ObjectRemoval }> {
  const { known, expired, kept = [], removals = repository.store, mayGoOn = () => undefined, ...changes } = options;
  const removal = new ObjectRemoval({ store: removals, signal: neverAborted, mayGoOn });
  const needOf = ({ backupId, log }: ManifestHead): LogNeed => ({
    ...log,
    reach: kept.includes(backupId) ? "itself" : "onwards",
  });
  const collected = await collect({
    repository,
    removal,
    isStray: () => false,
    onRemoved: async () => undefined,
    onExpiringLog: async () => undefined,
    logNeeds: (heads) => heads.map(needOf),
    currentStreams: new Set([stream]),
    whileUnused: async (work) => {
      await work();
      return "done";
    },
    minAgeMs: 0,
    now: new Date(),
    signal: neverAborted,
    ...changes,
    known: new Set(known),
    expired,
  });
  return { ...collected, removal };
}

/** Keys below a prefix of the service. */
export async function keysBelow(store: ObjectStore, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** Packs that are named and not there, and packs that are there and not named. */
export async function packFaults(
  repository: Repository,
): Promise<{ readonly missing: readonly string[]; readonly orphans: readonly string[] }> {
  const named = new Set<string>();
  for (const id of await repository.backupIds()) {
    for (const { sha256 } of (await repository.manifest(id)).packs)
      named.add(objectNames.pack(repository.serviceId, sha256));
  }
  const there = new Set(await keysBelow(repository.store, objectNames.packs(repository.serviceId)));
  return {
    missing: [...named].filter((key) => !there.has(key)),
    orphans: [...there].filter((key) => !named.has(key)),
  };
}
