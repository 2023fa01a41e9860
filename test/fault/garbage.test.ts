import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { copyBaseBackup } from "../../src/copier/copy-base-backup.ts";
import { BtarError } from "../../src/domain/errors.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { checkNamedObjects } from "../../src/repository/absent-packs.ts";
import { pageBytes } from "../../src/repository/file-map.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { ObjectRemoval } from "../../src/repository/object-removal.ts";
import { removeServiceObjects } from "../../src/repository/remove-service.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { masterKey, neverAborted, openFixture, serviceId, storedContent } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { collectTiny, keysBelow, packFaults, position, putLog, stream, TinyBackups } from "../support/tiny-backups.ts";
import { mulberry32 } from "../support/random-numbers.ts";

type Files = ReadonlyMap<string, Buffer>;

function changed(files: Files): Files {
  return new Map(
    [...files].map(([path, content]) => {
      const copy = Buffer.from(content);
      randomBytes(64).copy(copy, pageBytes);
      return [path, copy];
    }),
  );
}

const firstFiles: Files = new Map([
  ["base/5/1", randomBytes(6 * pageBytes)],
  ["base/5/2", randomBytes(4 * pageBytes)],
]);

async function assertHolds(repository: Repository, backupId: string, files: Files): Promise<void> {
  const stored = await storedContent(repository, await repository.manifest(backupId));
  for (const [path, content] of files) assert.ok(stored.get(path)?.equals(content), `${path} of ${backupId}`);
}

/** Four backups, each on top of the one before, one that was cut off, and log from before the first to the last. */
async function givenHistory(store: FaultObjectStore, backups: TinyBackups) {
  const repository = await openFixture(store);
  const contents = new Map<string, Files>();
  let files = firstFiles;
  for (let number = 1; number <= 4; number += 1) {
    files = changed(files);
    contents.set(`b${number}`, files);
    await backups.take(repository, files, { backupId: `b${number}`, at: number * 10 });
  }
  await backups.take(repository, changed(files), { backupId: "b5", at: 50, isCutOff: true });
  for (let at = 8; at < 42; at += 1) await putLog(repository, at);
  return { repository, contents };
}

/** Another store that holds the same. */
async function copyOf(store: FaultObjectStore): Promise<FaultObjectStore> {
  const copy = new FaultObjectStore(new MemoryObjectStore());
  for (const key of await store.keys()) await copy.put(key, (await store.get(key)) ?? Buffer.alloc(0));
  return copy;
}

async function logStarts(repository: Repository): Promise<readonly string[]> {
  const starts: string[] = [];
  for await (const piece of repository.logPieces(stream)) starts.push(piece.start);
  return starts;
}

test("a collection that is cut off at any call to the store leaves what stays as it was, and the next one ends it", async () => {
  await using backups = new TinyBackups();
  const plan = { known: ["b2", "b4"], kept: ["b2"], expired: ["b1", "b3"] };
  const whole = new FaultObjectStore(new MemoryObjectStore());
  const { contents } = await givenHistory(whole, backups);
  let runs = 0;
  for (let isThrough = false, afterCalls = 0; !isThrough; afterCalls += 1, runs += 1) {
    const store = await copyOf(whole);
    const repository = await openFixture(store);
    store.failWith("STORE_UNREACHABLE", { afterCalls });
    const cutOff = await collectTiny(repository, plan).catch((error: unknown) => error);
    isThrough = !(cutOff instanceof Error);
    store.heal();
    for (const id of await repository.backupIds()) {
      const files = contents.get(id);
      assert.ok(files);
      await assertHolds(repository, id, files);
    }
    await collectTiny(repository, plan);
    assert.deepEqual(await repository.backupIds(), ["b2", "b4"]);
    assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
    assert.deepEqual(await logStarts(repository), [20, 40, 41].map(position));
    for (const id of ["b2", "b4"]) await assertHolds(repository, id, contents.get(id) ?? firstFiles);
    assert.equal((await keysBelow(store, objectNames.descriptions(serviceId))).length, 3);
  }
  assert.ok(runs > 60, `${runs} calls`);
});

test("two collections at once do each other no harm", async () => {
  await using backups = new TinyBackups();
  const store = new FaultObjectStore(new MemoryObjectStore());
  const { repository, contents } = await givenHistory(store, backups);
  const plan = { known: ["b3", "b4"], expired: ["b1", "b2"] };
  await Promise.all([collectTiny(repository, plan), collectTiny(repository, plan), collectTiny(repository, plan)]);
  assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
  for (const id of plan.known) await assertHolds(repository, id, contents.get(id) ?? firstFiles);
});

test("a store that lists what was there before loses nothing that is needed", async () => {
  await using backups = new TinyBackups();
  const store = new FaultObjectStore(new MemoryObjectStore());
  const { repository, contents } = await givenHistory(store, backups);
  await store.staleListings();
  const files = changed(firstFiles);
  await backups.take(repository, files, { backupId: "b6", at: 41 });
  await collectTiny(repository, { known: ["b4", "b6"], expired: ["b1", "b2", "b3"] });
  // Again by the same listing, which still has what was removed.
  await collectTiny(repository, { known: ["b4", "b6"], expired: [] });
  store.heal();
  await assertHolds(repository, "b6", files);
  await assertHolds(repository, "b4", contents.get("b4") ?? firstFiles);
  await collectTiny(repository, { known: ["b4", "b6"], expired: [] });
  assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
});

test("when a backup that must be there is not, or cannot be read, nothing is removed", async () => {
  await using backups = new TinyBackups();
  const store = new FaultObjectStore(new MemoryObjectStore());
  const { repository } = await givenHistory(store, backups);
  const before = (await store.keys()).length;
  await rejectsWith("OBJECT_MISSING", () => collectTiny(repository, { known: ["b4", "b9"], expired: ["b1"] }));
  await store.flipByte(objectNames.manifest(serviceId, "b3"));
  await rejectsWith("OBJECT_DAMAGED", () => collectTiny(repository, { known: ["b4"], expired: ["b1"] }));
  assert.equal((await store.keys()).length, before);
});

test("objects that the store refuses to remove are counted, and what they belong to stays whole", async () => {
  await using backups = new TinyBackups();
  const store = new FaultObjectStore(new MemoryObjectStore());
  const { repository, contents } = await givenHistory(store, backups);
  const outcomes: string[] = [];
  const locked = objectNames.manifest(serviceId, "b1");
  store.interrupt(
    async (_operation, key) => {
      if (key === locked) throw new BtarError("STORE_REFUSED", { message: "locked until 2027" });
    },
    { operations: ["delete"] },
  );
  const { removal } = await collectTiny(repository, {
    ...{ known: ["b3", "b4"], expired: ["b1", "b2"] },
    onRemoved: async (id, outcome) => {
      outcomes.push(`${id} ${outcome}`);
    },
  });
  assert.deepEqual(outcomes, ["b1 refused", "b2 removed"]);
  assert.equal(removal.counts.refusedObjects, 1);
  assert.match(removal.counts.refusal ?? "", /locked until 2027/);
  await assertHolds(repository, "b1", contents.get("b1") ?? firstFiles);
  assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
});

test("packs that are young stay, for what is about to name them", async () => {
  await using backups = new TinyBackups();
  const { repository } = await givenHistory(new FaultObjectStore(new MemoryObjectStore()), backups);
  await collectTiny(repository, { known: ["b4"], expired: ["b1", "b2", "b3"], minAgeMs: 3_600_000 });
  assert.ok((await packFaults(repository)).orphans.length > 0);
});

test("a collection that has lost its right to go on removes nothing more", async () => {
  await using backups = new TinyBackups();
  const { repository } = await givenHistory(new FaultObjectStore(new MemoryObjectStore()), backups);
  let left = 3;
  const mayGoOn = () => {
    left -= 1;
    if (left < 0) throw new BtarError("OBJECT_REMOVED", { message: "somebody else has the store" });
  };
  const removals = new FaultObjectStore(repository.store);
  await rejectsWith("OBJECT_REMOVED", () =>
    collectTiny(repository, { known: ["b4"], expired: ["b1", "b2", "b3"], mayGoOn, removals }),
  );
  assert.equal(removals.calls("delete"), 3);
});

test("P3: a backup whose packs were removed while it was paused is not completed", async () => {
  await using backups = new TinyBackups();
  const { repository } = await givenHistory(new FaultObjectStore(new MemoryObjectStore()), backups);
  const manifest = await backups.take(repository, changed(firstFiles), { backupId: "b6", at: 60, isCutOff: true });
  await checkNamedObjects(repository, manifest, { signal: neverAborted });
  await collectTiny(repository, { known: ["b1", "b2", "b3", "b4"], expired: [] });
  await rejectsWith("OBJECT_REMOVED", () => checkNamedObjects(repository, manifest, { signal: neverAborted }));
});

test("D1: the removal of a whole service that is cut off anywhere leaves a valid repository, and ends the next time", async () => {
  await using backups = new TinyBackups();
  let runs = 0;
  for (let isThrough = false, afterCalls = 0; !isThrough; afterCalls += 7, runs += 1) {
    const store = new FaultObjectStore(new MemoryObjectStore());
    await store.put("another/key/1", Buffer.from("x"));
    const { repository, contents } = await givenHistory(store, backups);
    const remove = async () =>
      await removeServiceObjects({
        ...{ store, serviceId, signal: neverAborted },
        removal: new ObjectRemoval({ store, signal: neverAborted }),
      });
    store.failWith("STORE_UNREACHABLE", { afterCalls });
    const cutOff = await remove().catch((error: unknown) => error);
    isThrough = !(cutOff instanceof Error);
    store.heal();
    for (const id of await repository.backupIds()) await assertHolds(repository, id, contents.get(id) ?? firstFiles);
    await remove();
    assert.deepEqual(await store.keys(), ["another/key/1"]);
  }
  assert.ok(runs > 10, `${runs} runs`);
});

interface ModelStore {
  readonly store: FaultObjectStore;
  readonly repository: Repository;
  /** Complete there, and not to be removed. */
  readonly known: Map<string, Files>;
  /** To be removed; a collection that was cut off may have done so. */
  readonly expired: Set<string>;
}

test("any sequence of backups, copies, expiry, collections and crashes keeps what stays, and leaves no garbage", async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const random = mulberry32(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  await using backups = new TinyBackups();
  const model = async (name: string): Promise<ModelStore> => {
    const store = new FaultObjectStore(new MemoryObjectStore(name));
    return { store, repository: await openFixture(store), known: new Map(), expired: new Set() };
  };
  const primary = await model("primary");
  // The copy's key comes with the first copy.
  const copyStore = new FaultObjectStore(new MemoryObjectStore("copy"));
  let copy: ModelStore | undefined;
  let files: Files = new Map([...firstFiles].map(([path, content]) => [path, content.subarray(0, 3 * pageBytes)]));
  let number = 0;

  const crashing = async (store: FaultObjectStore, work: () => Promise<unknown>): Promise<boolean> => {
    if (random() < 0.4) store.failWith("STORE_UNREACHABLE", { afterCalls: below(30) });
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof BtarError) || error.code !== "STORE_UNREACHABLE") throw error;
      return false;
    } finally {
      store.heal();
    }
  };
  const collectIn = async ({ store, repository, known, expired }: ModelStore) => {
    const plan = { known: [...known.keys()], expired: [...expired] };
    await crashing(store, () =>
      collectTiny(repository, {
        ...plan,
        // A backup that was stored, while whoever stored it could not note that, is older than what is known.
        isStray: ({ backupId }) => plan.known.some((id) => backupId < id),
        onRemoved: async (id) => {
          expired.delete(id);
        },
      }),
    );
  };

  for (let step = 0; step < 150; step += 1) {
    const action = below(10);
    if (action < 4) {
      files = random() < 0.8 ? changed(files) : files;
      const backupId = `b${String(number).padStart(4, "0")}`;
      const content = files;
      const isDone = await crashing(primary.store, () =>
        backups.take(primary.repository, content, { backupId, at: 10 * number }),
      );
      if (isDone) primary.known.set(backupId, content);
      number += 1;
    } else if (action < 6 && primary.known.size > 0) {
      const ids = [...primary.known.keys()];
      const backupId = ids[below(ids.length)] ?? "";
      const isDone = await crashing(random() < 0.5 ? primary.store : copyStore, () =>
        copyBaseBackup({
          ...{ source: primary.store, destination: copyStore, serviceId, backupId, masterKey, signal: neverAborted },
        }),
      );
      if (!isDone) continue;
      copy ??= { store: copyStore, repository: await openFixture(copyStore), known: new Map(), expired: new Set() };
      copy.expired.delete(backupId);
      copy.known.set(backupId, primary.known.get(backupId) ?? files);
    } else if (action < 8) {
      const where = random() < 0.5 ? primary : copy;
      const oldest = [...(where?.known.keys() ?? [])].sort()[0];
      if (!where || where.known.size < 2 || oldest === undefined) continue;
      where.known.delete(oldest);
      where.expired.add(oldest);
    } else {
      await collectIn(random() < 0.5 ? primary : (copy ?? primary));
    }
    for (const where of [primary, copy]) {
      if (where) assert.deepEqual((await packFaults(where.repository)).missing, [], `${where.store.url}, step ${step}`);
    }
  }
  for (const where of [primary, copy]) {
    if (!where || where.known.size === 0) continue;
    await collectTiny(where.repository, {
      ...{ known: [...where.known.keys()], expired: [...where.expired] },
      isStray: () => true,
    });
    assert.deepEqual(await where.repository.backupIds(), [...where.known.keys()].sort());
    assert.deepEqual(await packFaults(where.repository), { missing: [], orphans: [] });
    for (const [id, content] of where.known) await assertHolds(where.repository, id, content);
  }
});
