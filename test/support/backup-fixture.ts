import { randomBytes } from "node:crypto";
import type { ObjectStore } from "../../src/object-store/object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import type { BackupManifest } from "../../src/repository/manifest.ts";
import { PreviousBackup } from "../../src/repository/previous-backup.ts";
import { Repository } from "../../src/repository/repository.ts";

export const masterKey = randomBytes(32);
export const serviceId = "01900000-0000-7000-8000-000000000001";
export const neverAborted = new AbortController().signal;

/** Files of a made-up server: relation-like, tiny, empty, with holes, and one that does not compress. */
export const fixtureFiles: ReadonlyMap<string, Buffer> = new Map([
  ["PG_VERSION", Buffer.from("18\n")],
  ["base/5/empty", Buffer.alloc(0)],
  ["base/5/1259", pages(300)],
  ["base/5/2608", Buffer.concat([pages(128), Buffer.alloc(2 * 1024 * 1024), pages(3)])],
  ["base/5/random", randomBytes(2_500_001)],
  ["pg_tblspc/16400/PG_18_202506291/5/16401", pages(20)],
]);

function pages(count: number): Buffer {
  const bytes = Buffer.alloc(count * 8192);
  for (let page = 0; page < count; page += 1) bytes.write(`page ${page} `.repeat(50), page * 8192 + 24);
  return bytes;
}

/** Opens the repository of the fixture's service in a store. */
export async function openFixture(store: ObjectStore): Promise<Repository> {
  return await Repository.create({ store, serviceId, masterKey, compressionLevel: 1 });
}

const noPacks: ReadonlySet<string> = new Set();

/** What a backup on top of `manifest` builds on. */
export function onTopOf(repository: Repository, manifest: BackupManifest, distrusted = noPacks): PreviousBackup {
  return new PreviousBackup(repository, manifest, { distrusted, signal: neverAborted });
}

/** Every file of a backup as the store has it. */
export async function storedContent(repository: Repository, manifest: BackupManifest): Promise<Map<string, Buffer>> {
  const backup = onTopOf(repository, manifest);
  const files = new Map<string, Buffer>();
  for (const { path } of manifest.files) {
    const file = await backup.file(path);
    const extents: Buffer[] = [];
    for (const extent of file?.map.extents ?? []) extents.push(await backup.content(extent));
    files.set(path, Buffer.concat(extents));
  }
  return files;
}

/** Takes a backup of `files` as an agent does, on top of `previous`: description, packs, manifest last. */
export async function storeBackup(
  repository: Repository,
  backupId: string,
  files: ReadonlyMap<string, Buffer> = fixtureFiles,
  previous?: PreviousBackup,
): Promise<BackupManifest> {
  const workers = new BlobWorkers(2);
  try {
    const descriptionVersion = await repository.putDescription({
      format: 1,
      serviceId,
      project: "demo",
      name: "shop",
      engine: "pg",
      kind: "managed",
      cloud: "local-north",
      plan: "startup-4",
      version: "18",
      userConfig: {},
      users: [],
      databases: ["defaultdb"],
      writtenAt: `2026-03-01T00:00:00.${String(backupId.length).padStart(3, "0")}Z`,
    });
    const writer = repository.baseBackupWriter({ workers, previous, signal: neverAborted });
    writer.directory("base", 0o700);
    writer.directory("pg_wal", 0o700);
    for (const [path, content] of files) {
      writer.beginFile({ path, sizeBytes: content.length, mode: 0o600, modifiedAt: new Date(1_700_000_000_000) });
      for (let at = 0; at < content.length; at += 100_000) {
        await writer.drained();
        writer.write(content.subarray(at, at + 100_000));
      }
      writer.endFile();
    }
    const { stored, dataBytes, storedBytes } = await writer.finish();
    const manifest: BackupManifest = {
      ...stored,
      backupId,
      serviceId,
      engine: "pg",
      reason: "request",
      startedAt: new Date("2026-03-01T00:00:00Z"),
      consistentAt: new Date("2026-03-01T00:00:01Z"),
      completedAt: new Date("2026-03-01T00:00:02Z"),
      identity: { version: "18.4", majorVersion: "18", systemId: "7000000000000000001" },
      log: { stream: "7000000000000000001-00000001", start: "0000000002000028", end: "0000000002000100" },
      engineFacts: { walSegmentBytes: 16 * 1024 * 1024, tablespaces: [] },
      descriptionVersion,
      dataBytes,
      storedBytes,
    };
    await repository.putManifest(manifest);
    return manifest;
  } finally {
    await workers.close();
  }
}
