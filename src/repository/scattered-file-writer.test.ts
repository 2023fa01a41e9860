import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { neverAborted, onTopOf, openFixture, serviceId, storedContent } from "../../test/support/backup-fixture.ts";
import { packFaults } from "../../test/support/tiny-backups.ts";
import { MemoryObjectStore } from "../object-store/memory/memory-object-store.ts";
import type { BaseBackupWriter } from "./base-backup-writer.ts";
import { BlobWorkers } from "./blob-workers.ts";
import { extentBytes, pageBytes } from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import type { PreviousBackup } from "./previous-backup.ts";
import type { Repository } from "./repository.ts";
import type { ScatteredFileWriter } from "./scattered-file-writer.ts";

async function backUp(
  repository: Repository,
  backupId: string,
  options: {
    readonly previous: PreviousBackup | undefined;
    readonly write: (writer: BaseBackupWriter) => Promise<void>;
  },
): Promise<BackupManifest> {
  const workers = new BlobWorkers(2);
  try {
    const writer = repository.baseBackupWriter({ workers, previous: options.previous, signal: neverAborted });
    await options.write(writer);
    const { stored, dataBytes, storedBytes, damage } = await writer.finish();
    assert.deepEqual(damage, []);
    const [startedAt, consistentAt, completedAt] = [new Date(0), new Date(0), new Date(0)];
    await repository.putManifest({
      ...{ ...stored, backupId, serviceId, engine: "mysql", reason: "request", descriptionVersion: "none" },
      ...{ startedAt, consistentAt, completedAt, dataBytes, storedBytes, engineFacts: {} },
      identity: { version: "9.7.4", majorVersion: "9.7", systemId: "none" },
      log: { stream: "none", start: "0", end: "1" },
    });
    return await repository.manifest(backupId);
  } finally {
    await workers.close();
  }
}

function entryOf(path: string, sizeBytes: number) {
  return { path, sizeBytes, mode: 0o640, modifiedAt: new Date(0) };
}

async function writeWhole(file: ScatteredFileWriter, content: Buffer): Promise<void> {
  const indexes = Array.from({ length: Math.ceil(content.length / extentBytes) }, (_, index) => index);
  const part = (index: number) => content.subarray(index * extentBytes, (index + 1) * extentBytes);
  // Last first: order does not matter.
  for (const index of indexes.reverse()) await file.write(index, [{ offset: 0, bytes: part(index) }]);
}

test("a pack of which everything was written over since is not among those that a backup needs", async () => {
  const repository = await openFixture(new MemoryObjectStore("superseded"));
  const content = randomBytes(extentBytes);
  const manifest = await backUp(repository, "backup-1", {
    previous: undefined,
    write: async (writer) => {
      const file = writer.openFile("shop/t.ibd");
      await writeWhole(file, content);
      for (let round = 0; round < 3; round += 1) {
        await writer.settle();
        const bytes = randomBytes(pageBytes);
        bytes.copy(content, 3 * pageBytes);
        await file.write(0, [{ offset: 3 * pageBytes, bytes }]);
      }
      await file.finish(entryOf("shop/t.ibd", content.length));
    },
  });
  const { missing, orphans } = await packFaults(repository);
  assert.deepEqual(missing, []);
  assert.ok(orphans.length > 0, "the next collection removes it");
  assert.ok(manifest.packs.every(({ liveBytes }) => liveBytes > 0));
  assert.ok((await storedContent(repository, manifest)).get("shop/t.ibd")?.equals(content));
});

test("pages that come after their file are stored once, as a delta over what was just stored", async () => {
  const repository = await openFixture(new MemoryObjectStore("overlay"));
  const content = randomBytes(3 * extentBytes);
  const changed = Buffer.from(content);
  const first = await backUp(repository, "backup-1", {
    previous: undefined,
    write: async (writer) => {
      const file = writer.openFile("shop/t.ibd");
      await writeWhole(file, content);
      await writer.settle();
      for (const page of [3, 128 + 5, 128 + 6]) {
        const bytes = randomBytes(pageBytes);
        bytes.copy(changed, page * pageBytes);
        await file.write(Math.floor(page / 128), [{ offset: (page % 128) * pageBytes, bytes }]);
      }
      await file.finish(entryOf("shop/t.ibd", content.length));
    },
  });
  const backup = onTopOf(repository, first);
  const kinds = (await backup.file("shop/t.ibd"))?.map.extents.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["delta", "delta", "whole"]);
  assert.ok((await storedContent(repository, first)).get("shop/t.ibd")?.equals(changed));

  const second = await backUp(repository, "backup-2", {
    previous: backup,
    write: async (writer) => {
      const file = writer.openFile("shop/t.ibd");
      await writeWhole(file, changed);
      await file.finish(entryOf("shop/t.ibd", changed.length));
    },
  });
  assert.ok(second.storedBytes < 2000, `${second.storedBytes} bytes were stored again`);
  assert.deepEqual(
    second.files.map(({ path }) => path),
    ["shop/t.ibd"],
  );
});

test("pages that come again lie over those of a pack that is still being filled", async () => {
  const repository = await openFixture(new MemoryObjectStore("again"));
  const extents = 60;
  const content = Buffer.alloc(extents * extentBytes, "x");
  const manifest = await backUp(repository, "backup-1", {
    previous: undefined,
    write: async (writer) => {
      const file = writer.openFile("t.ibd");
      await writeWhole(file, content);
      await writer.settle();
      // Half of each extent makes more than one pack, and much of the next one.
      for (const [offset, pages] of [
        [0, 60],
        [50 * pageBytes, 1],
      ] as const) {
        for (let index = 0; index < extents; index += 1) {
          const bytes = randomBytes(pages * pageBytes);
          bytes.copy(content, index * extentBytes + offset);
          await file.write(index, [{ offset, bytes }]);
        }
      }
      await file.finish(entryOf("t.ibd", content.length));
    },
  });
  assert.ok((await storedContent(repository, manifest)).get("t.ibd")?.equals(content));
});

test("a file that was renamed while it was read has its last name, and one that is not finished is not there", async () => {
  const repository = await openFixture(new MemoryObjectStore("renamed"));
  const content = randomBytes(extentBytes + 5 * pageBytes);
  const manifest = await backUp(repository, "backup-1", {
    previous: undefined,
    write: async (writer) => {
      const [kept, dropped] = [writer.openFile("shop/a.ibd"), writer.openFile("shop/b.ibd")];
      await Promise.all([writeWhole(kept, content), writeWhole(dropped, content)]);
      await kept.finish(entryOf("shop/b.ibd", content.length));
      await assert.rejects(async () => await dropped.finish(entryOf("../b.ibd", 1)), /could leave the directory/);
    },
  });
  const stored = await storedContent(repository, manifest);
  assert.deepEqual([...stored.keys()], ["shop/b.ibd"]);
  assert.ok(stored.get("shop/b.ibd")?.equals(content));
});

test("random parts, in any order and again, read back from every backup", async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const repository = await openFixture(new MemoryObjectStore("random"));
  let previous: PreviousBackup | undefined;
  let before = randomBytes(2 * extentBytes + 7 * pageBytes);
  const unit = 2048;
  for (let round = 0; round < 20; round += 1) {
    // What is read first: the file as it was, cut, or with some changes.
    const start = Buffer.from(before.subarray(0, Math.max(pageBytes, before.length - below(2) * below(before.length))));
    if (below(2) === 0) randomBytes(unit).copy(start, below(Math.floor(start.length / unit)) * unit);
    const content = Buffer.alloc(4 * extentBytes);
    start.copy(content);
    const sizeBytes = round % 3 === 0 ? start.length + below(content.length - start.length) : start.length;
    const manifest = await backUp(repository, `backup-${round}`, {
      previous,
      write: async (writer) => {
        const file = writer.openFile("t.ibd");
        await writeWhole(file, start);
        if (below(2) === 0) await writer.settle();
        for (let count = below(12); count > 0; count -= 1) {
          const parts = Array.from({ length: 1 + below(4) }, () => {
            const offset = below(extentBytes / unit) * unit;
            return { offset, bytes: randomBytes(Math.min((1 + below(20)) * unit, extentBytes - offset)) };
          });
          const index = below(4);
          for (const { offset, bytes } of parts) bytes.copy(content, index * extentBytes + offset);
          await file.write(index, parts);
        }
        await file.finish(entryOf("t.ibd", sizeBytes));
      },
    });
    before = Buffer.from(content.subarray(0, sizeBytes));
    assert.ok((await storedContent(repository, manifest)).get("t.ibd")?.equals(before), `round ${round}`);
    previous = onTopOf(repository, manifest);
  }
});
