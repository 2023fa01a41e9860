import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmod,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import type { BackupManifest } from "../../src/repository/manifest.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { type RestoreFilesOptions, restoreFiles } from "../../src/repository/restore-files.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { neverAborted, onTopOf, openFixture, serviceId, storeBackup } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { readTree, treeDifferences } from "../support/restored-tree.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const page = 8192;
const controlFile = "global/pg_control";

/** A made-up server: relations of several extents, small files, an empty one, and what makes it startable. */
function serverFiles(): Map<string, Buffer> {
  return new Map([
    ["PG_VERSION", Buffer.from("18\n")],
    [controlFile, randomBytes(page)],
    ["base/5/16400", randomBytes(300 * page)],
    ["base/5/16401", Buffer.concat([randomBytes(130 * page), Buffer.alloc(256 * page), randomBytes(7 * page + 100)])],
    ["base/5/empty", Buffer.alloc(0)],
    ["pg_tblspc/16500/PG_18_1/5/1", randomBytes(40 * page)],
  ]);
}

function withChanges(files: ReadonlyMap<string, Buffer>, ...pages: readonly number[]): Map<string, Buffer> {
  const changed = new Map(files);
  const relation = Buffer.from(files.get("base/5/16400") ?? Buffer.alloc(0));
  for (const each of pages) randomBytes(200).copy(relation, each * page);
  return changed.set("base/5/16400", relation);
}

class CountingStore extends MemoryObjectStore {
  readBytes = 0;

  override async get(key: string, options?: Parameters<MemoryObjectStore["get"]>[1]): Promise<Buffer | undefined> {
    const bytes = await super.get(key, options);
    this.readBytes += bytes?.length ?? 0;
    return bytes;
  }
}

interface Place {
  readonly workers: BlobWorkers;
  readonly directory: string;
}

async function restore(
  place: Place,
  repository: Repository,
  manifest: BackupManifest,
  options: Partial<RestoreFilesOptions> = {},
) {
  return await restoreFiles({
    ...{ repository, manifest, ...place, signal: neverAborted, isSynced: true, completedBy: [controlFile] },
    ...options,
  });
}

async function assertEqualTrees(actual: string, expected: string): Promise<void> {
  assert.deepEqual(treeDifferences(await readTree(actual), await readTree(expected)), []);
}

async function placesOf(context: TestContext): Promise<{ readonly fresh: Place; readonly used: Place }> {
  const root = await temporaryDirectory(context);
  const workers = new BlobWorkers(2);
  context.after(() => workers.close());
  return {
    fresh: { workers, directory: path.join(root, "fresh") },
    used: { workers, directory: path.join(root, "used") },
  };
}

test("each of a long row of incremental backups restores byte for byte, at a cost that does not grow", async (context) => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const versions = [serverFiles()];
  let manifest = await storeBackup(repository, "b-0", versions[0]);
  for (let round = 1; round <= 15; round += 1) {
    const files = withChanges(versions.at(-1) ?? new Map(), round * 3, 130 + round, 299);
    versions.push(files);
    manifest = await storeBackup(repository, `b-${round}`, files, onTopOf(repository, manifest));
  }
  const { fresh } = await placesOf(context);
  const reads: number[] = [];
  for (const [round, files] of versions.entries()) {
    const before = store.calls();
    const place = { ...fresh, directory: `${fresh.directory}-${round}` };
    await restore(place, repository, await repository.manifest(`b-${round}`));
    reads.push(store.calls() - before);
    for (const [name, content] of files) {
      assert.ok((await readFile(path.join(place.directory, name))).equals(content), `${name} of backup ${round}`);
    }
  }
  assert.ok(Math.max(...reads) <= (reads[0] ?? 0) + 8, `requests: ${reads.join(", ")}`);
});

test("directories that go elsewhere are restored there, and their files nowhere else", async (context) => {
  const repository = await openFixture(new MemoryObjectStore());
  const manifest = await storeBackup(repository, "b1", serverFiles());
  const { fresh } = await placesOf(context);
  const elsewhere = path.join(path.dirname(fresh.directory), "elsewhere");
  const relocated = new Map([["pg_tblspc/16500", elsewhere]]);
  await restore(fresh, repository, manifest, { relocated });
  assert.equal((await stat(path.join(elsewhere, "PG_18_1/5/1"))).size, 40 * page);
  assert.ok(!(await readTree(fresh.directory)).has("pg_tblspc/16500"));

  const other = { ...fresh, directory: `${fresh.directory}-2` };
  await rejectsWith("TARGET_DIRECTORY_NOT_EMPTY", () => restore(other, repository, manifest, { relocated }));
});

type Damage = (directory: string, random: () => number) => Promise<void>;

const relation = (directory: string) => path.join(directory, "base/5/16400");
const damages: Readonly<Record<string, Damage>> = {
  "bytes are overwritten": async (directory, random) => {
    const handle = await open(relation(directory), "r+");
    await handle.write(randomBytes(10), 0, 10, Math.floor(random() * 290) * page);
    await handle.close();
  },
  "a file is cut": (directory, random) => truncate(relation(directory), Math.floor(random() * 300 * page)),
  "a file has grown": (directory) => truncate(relation(directory), 500 * page),
  "a file is missing": (directory) => unlink(path.join(directory, "PG_VERSION")),
  "a file is more than the backup has": (directory) => writeFile(path.join(directory, "base/5/9999"), "more"),
  "a directory is more than the backup has": async (directory) => {
    await mkdir(path.join(directory, "base/99/deep"), { recursive: true });
    await writeFile(path.join(directory, "base/99/deep/file"), "more");
  },
  "modes are other ones": async (directory) => {
    await chmod(relation(directory), 0o644);
    await chmod(path.join(directory, "base"), 0o755);
  },
  "zeros are none any more": async (directory) => {
    const handle = await open(path.join(directory, "base/5/16401"), "r+");
    await handle.write(Buffer.from("not zero"), 0, 8, 200 * page);
    await handle.close();
  },
  "a file is a directory": async (directory) => {
    await rm(path.join(directory, "PG_VERSION"), { force: true });
    await mkdir(path.join(directory, "PG_VERSION"));
  },
  "a directory is a file": async (directory) => {
    await rm(path.join(directory, "pg_tblspc"), { recursive: true });
    await writeFile(path.join(directory, "pg_tblspc"), "");
  },
};

test("a delta restore makes any directory what a fresh one would be, and reads little when little differs", async (context) => {
  const store = new CountingStore();
  const repository = await openFixture(store);
  const files = serverFiles();
  const first = await storeBackup(repository, "b1", files);
  const later = await storeBackup(repository, "b2", withChanges(files, 1, 2, 150), onTopOf(repository, first));
  const { fresh, used } = await placesOf(context);
  await restore(fresh, repository, later);

  const choice = fc.record({
    names: fc.uniqueArray(fc.constantFrom(...Object.keys(damages)), { maxLength: 4 }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    start: fc.constantFrom(first, later),
  });
  await fc.assert(
    fc.asyncProperty(choice, async ({ names, random, start }) => {
      await rm(used.directory, { recursive: true, force: true });
      await restore(used, repository, start);
      for (const name of names) await damages[name]?.(used.directory, () => random).catch(() => undefined);
      await restore(used, repository, later, { isDelta: true });
      await assertEqualTrees(used.directory, fresh.directory);
    }),
    { numRuns: 25, verbose: true },
  );

  const before = store.readBytes;
  const { keptBytes } = await restore(used, repository, later, { isDelta: true });
  assert.ok(keptBytes >= later.dataBytes - page, `${keptBytes} of ${later.dataBytes} bytes were kept`);
  assert.ok(store.readBytes - before < 50_000, `${store.readBytes - before} bytes were read`);
});

test("a delta restore follows no link, and leaves files alone that have another name elsewhere", async (context) => {
  const repository = await openFixture(new MemoryObjectStore());
  const manifest = await storeBackup(repository, "b1", serverFiles());
  const { fresh, used } = await placesOf(context);
  await restore(fresh, repository, manifest);
  await restore(used, repository, manifest);
  const outside = path.join(path.dirname(used.directory), "outside");
  await mkdir(outside);
  await writeFile(path.join(outside, "precious"), "keep");
  await link(relation(used.directory), path.join(outside, "linked"));
  await truncate(relation(used.directory), 100);
  await rename(path.join(used.directory, "base/5/16401"), path.join(outside, "16401"));
  await symlink(path.join(outside, "16401"), path.join(used.directory, "base/5/16401"));
  await symlink(outside, path.join(used.directory, "more"));
  await rm(path.join(used.directory, "pg_wal"), { recursive: true });
  await symlink(outside, path.join(used.directory, "pg_wal"));
  await restore(used, repository, manifest, { isDelta: true });
  await assertEqualTrees(used.directory, fresh.directory);
  assert.equal(await readFile(path.join(outside, "precious"), "utf8"), "keep");
  assert.equal((await stat(path.join(outside, "linked"))).size, 100);
});

test("X1: a delta restore that is broken off anywhere leaves nothing that starts, and the next one completes it", async (context) => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const first = await storeBackup(repository, "b1", serverFiles());
  const later = await storeBackup(repository, "b2", serverFiles());
  const { fresh, used } = await placesOf(context);
  await restore(fresh, repository, later);
  await restore(used, repository, first);
  let failures = 0;
  for (let calls = 1; ; calls += 1) {
    store.failWith("STORE_REFUSED", { afterCalls: calls, operations: ["get"] });
    const isComplete = await restore(used, repository, later, { isDelta: true }).then(
      () => true,
      () => false,
    );
    store.heal();
    if (isComplete) break;
    failures += 1;
    await assert.rejects(stat(path.join(used.directory, controlFile)), { code: "ENOENT" });
  }
  assert.ok(failures >= 2, `${failures} failures`);
  await assertEqualTrees(used.directory, fresh.directory);
});

test("X3: a damaged pack is found by a delta restore too, and a fresh one; both name it", async (context) => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const first = await storeBackup(repository, "b1", serverFiles());
  const { fresh, used } = await placesOf(context);
  await restore(used, repository, first);
  await truncate(relation(used.directory), 0);
  const key = objectNames.pack(serviceId, first.packs[0]?.sha256 ?? "");
  await store.flipByte(key);
  for (const [place, isDelta] of [
    [used, true],
    [fresh, false],
  ] as const) {
    const error = await rejectsWith("OBJECT_DAMAGED", () => restore(place, repository, first, { isDelta }));
    assert.ok(error.message.includes(key), error.message);
  }
});
