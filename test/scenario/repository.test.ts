import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import { Repository } from "../../src/repository/repository.ts";
import { restoreFiles } from "../../src/repository/restore-files.ts";
import { rejectsWith } from "../support/assert-error.ts";
import {
  fixtureFiles,
  masterKey,
  neverAborted,
  openFixture,
  serviceId,
  storeBackup,
} from "../support/backup-fixture.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const signal = neverAborted;

async function restoredFiles(
  context: TestContext,
  repository: Repository,
  backupId: string,
): Promise<ReadonlyMap<string, Buffer>> {
  const directory = path.join(await temporaryDirectory(context), "restored");
  const workers = new BlobWorkers(2);
  try {
    const manifest = await repository.manifest(backupId);
    await restoreFiles({ repository, manifest, directory, workers, signal, isSynced: true });
  } finally {
    await workers.close();
  }
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    files.set(path.relative(directory, file), await readFile(file));
  }
  return files;
}

function assertSameFiles(actual: ReadonlyMap<string, Buffer>, expected: ReadonlyMap<string, Buffer>): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [name, content] of expected) assert.ok(actual.get(name)?.equals(content), `${name} differs`);
}

test("a base backup restores byte for byte", async (context) => {
  const repository = await openFixture(new MemoryObjectStore());
  await storeBackup(repository, "b1");
  assertSameFiles(await restoredFiles(context, repository, "b1"), fixtureFiles);
});

test("files of any sizes restore byte for byte", async (context) => {
  const mib = 1024 * 1024;
  const size = fc.oneof(
    fc.integer({ min: 0, max: 20_000 }),
    fc.constantFrom(8192, mib - 1, mib, mib + 1, 4 * mib - 8192, 4 * mib, 4 * mib + 1),
  );
  const file = fc.record({ size, seed: fc.integer({ min: 0, max: 255 }), isZero: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 12 }), async (shapes) => {
      const files = new Map(
        shapes.map(({ size: bytes, seed, isZero }, index) => [
          `base/${index}`,
          Buffer.alloc(bytes, isZero ? 0 : `content ${seed} `),
        ]),
      );
      const repository = await openFixture(new MemoryObjectStore());
      await storeBackup(repository, "b1", files);
      assertSameFiles(await restoredFiles(context, repository, "b1"), files);
    }),
    { numRuns: 15 },
  );
});

test("zeros are restored as holes", async (context) => {
  const repository = await openFixture(new MemoryObjectStore());
  const manifest = await storeBackup(repository, "b1", new Map([["base/hole", Buffer.alloc(32 * 1024 * 1024)]]));
  assert.ok(manifest.storedBytes < 100_000, `${manifest.storedBytes} bytes stored for zeros`);
  const directory = path.join(await temporaryDirectory(context), "restored");
  const workers = new BlobWorkers(1);
  await restoreFiles({ repository, manifest, directory, workers, signal, isSynced: false });
  await workers.close();
  const { size, blocks } = await stat(path.join(directory, "base/hole"));
  assert.equal(size, 32 * 1024 * 1024);
  assert.ok(blocks * 512 < 1024 * 1024, `${blocks * 512} bytes on the disk`);
});

test("a restore refuses a directory that holds something", async (context) => {
  const repository = await openFixture(new MemoryObjectStore());
  const manifest = await storeBackup(repository, "b1");
  const directory = await temporaryDirectory(context);
  await mkdir(path.join(directory, "full"));
  await writeFile(path.join(directory, "full", "precious"), "keep");
  const workers = new BlobWorkers(1);
  await rejectsWith("TARGET_DIRECTORY_NOT_EMPTY", () =>
    restoreFiles({ repository, manifest, directory: path.join(directory, "full"), workers, signal, isSynced: false }),
  );
  await workers.close();
  assert.equal(await readFile(path.join(directory, "full", "precious"), "utf8"), "keep");
});

test("a store is read with the master key and nothing else; another key opens nothing", async () => {
  const store = new MemoryObjectStore();
  await storeBackup(await openFixture(store), "b1");
  const again = await Repository.open({ store, serviceId, masterKey, compressionLevel: 1 });
  assert.deepEqual(await again.backupIds(), ["b1"]);
  await rejectsWith("KEY_UNAVAILABLE", () =>
    Repository.open({ store, serviceId, masterKey: Buffer.alloc(32, 1), compressionLevel: 1 }),
  );
  await rejectsWith("NO_BACKUP", () =>
    Repository.open({ store: new MemoryObjectStore(), serviceId, masterKey, compressionLevel: 1 }),
  );
});

test("log pieces are listed in order of position, and hold what was stored", async () => {
  const repository = await openFixture(new MemoryObjectStore());
  const stream = "7000000000000000001-00000001";
  const at = (number: number) => number.toString(16).toUpperCase().padStart(16, "0");
  for (const [start, end] of [
    [300, 400],
    [100, 200],
    [200, 300],
  ] as const) {
    const piece = {
      stream,
      start: at(start),
      end: at(end),
      newestCommitMicros: start === 200 ? undefined : BigInt(start),
    };
    await repository.putLogPiece(piece, Buffer.alloc(100, start));
  }
  await repository.putLogHistory(stream, Buffer.from("history"));
  const pieces = [];
  for await (const piece of repository.logPieces(stream)) pieces.push(piece);
  assert.deepEqual(
    pieces.map(({ start, end, newestCommitMicros }) => ({ start, end, newestCommitMicros })),
    [
      { start: at(100), end: at(200), newestCommitMicros: 100n },
      { start: at(200), end: at(300), newestCommitMicros: undefined },
      { start: at(300), end: at(400), newestCommitMicros: 300n },
    ],
  );
  for (const piece of pieces) assert.equal((await repository.logPiece(piece)).length, 100);
  assert.equal((await repository.logHistory(stream))?.toString(), "history");
  assert.deepEqual(await repository.logStreams(), [stream]);
});
