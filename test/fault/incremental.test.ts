import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { absentPacks } from "../../src/repository/absent-packs.ts";
import { pageBytes } from "../../src/repository/file-map.ts";
import type { BackupManifest } from "../../src/repository/manifest.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { rejectsWith } from "../support/assert-error.ts";
import {
  neverAborted,
  onTopOf,
  openFixture,
  serviceId,
  storeBackup,
  storedContent,
} from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";

const before = new Map([
  ["base/5/1", randomBytes(300 * pageBytes)],
  ["base/5/2", randomBytes(20 * pageBytes)],
]);
const after = new Map([...before].map(([path, content]) => [path, withChanges(content)]));

function withChanges(content: Buffer): Buffer {
  const copy = Buffer.from(content);
  for (let page = 3; page * pageBytes < copy.length; page += 50) randomBytes(64).copy(copy, page * pageBytes + 100);
  return copy;
}

async function assertHolds(repository: Repository, manifest: BackupManifest, files: ReadonlyMap<string, Buffer>) {
  const stored = await storedContent(repository, manifest);
  for (const [path, content] of files) assert.ok(stored.get(path)?.equals(content), path);
}

test("P3: a backup on top of another that is cut off at any call to the store leaves the first as it was, and is taken again", async () => {
  let isThrough = false;
  let attempts = 0;
  for (let afterCalls = 0; !isThrough; afterCalls += 1) {
    const store = new FaultObjectStore(new MemoryObjectStore());
    const repository = await openFixture(store);
    const first = await storeBackup(repository, "backup-1", before);
    store.failWith("STORE_UNREACHABLE", { afterCalls });
    const cutOff = await storeBackup(repository, "backup-2", after, onTopOf(repository, first)).catch(
      (error: unknown) => error,
    );
    isThrough = !(cutOff instanceof Error);
    store.heal();
    assert.deepEqual(await repository.backupIds(), isThrough ? ["backup-1", "backup-2"] : ["backup-1"]);
    await assertHolds(repository, first, before);
    if (isThrough) break;
    attempts += 1;
    await assertHolds(repository, await storeBackup(repository, "backup-2", after, onTopOf(repository, first)), after);
  }
  assert.ok(attempts >= 5, `${attempts} calls`);
});

test("a damaged extent does not poison later backups: it is found when it is read, and stored whole once it is known", async () => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const first = await storeBackup(repository, "backup-1", before);
  const [pack] = first.packs;
  assert.ok(pack);
  await store.flipByte(objectNames.pack(serviceId, pack.sha256), 5000);

  // Fingerprints tell what the page was, so a backup does not notice; whoever reads it does.
  const second = await storeBackup(repository, "backup-2", after, onTopOf(repository, first));
  await rejectsWith("OBJECT_DAMAGED", () => storedContent(repository, second));

  const known = new Set([pack.sha256]);
  const third = await storeBackup(repository, "backup-3", after, onTopOf(repository, second, known));
  assert.ok(third.packs.every(({ sha256 }) => sha256 !== pack.sha256));
  await assertHolds(repository, third, after);
});

test("packs that are gone or cut short are seen in a listing, and not built on", async () => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const first = await storeBackup(repository, "backup-1", before);
  const second = await storeBackup(repository, "backup-2", after, onTopOf(repository, first));
  const names = second.packs.map(({ sha256 }) => sha256);
  const [gone, cut] = names;
  assert.ok(gone !== undefined && cut !== undefined);
  assert.deepEqual(await absentPacks(repository, second.packs, { signal: neverAborted }), new Set());
  await store.remove(objectNames.pack(serviceId, gone));
  await store.cutShort(objectNames.pack(serviceId, cut));
  const absent = await absentPacks(repository, second.packs, { signal: neverAborted });
  assert.deepEqual(absent, new Set([gone, cut]));
  const third = await storeBackup(repository, "backup-3", after, onTopOf(repository, second, absent));
  await assertHolds(repository, third, after);
});
