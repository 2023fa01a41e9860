import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BandwidthLimit } from "../../src/copier/bandwidth-limit.ts";
import { copyBaseBackup } from "../../src/copier/copy-base-backup.ts";
import { copyLogObject, missingLog, missingLogFrom } from "../../src/copier/copy-log.ts";
import { BtarError } from "../../src/domain/errors.ts";
import { FileObjectStore } from "../../src/object-store/file/file-object-store.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import type { ObjectStore } from "../../src/object-store/object-store.ts";
import type { Clock } from "../../src/platform/clock.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { Repository } from "../../src/repository/repository.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { masterKey, neverAborted, openFixture, serviceId, storeBackup } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const signal = neverAborted;
const stream = "7000000000000000001-00000001";

async function copy(source: ObjectStore, destination: ObjectStore, backupId = "b1") {
  return await copyBaseBackup({ source, destination, serviceId, backupId, masterKey, signal });
}

async function keysOf(store: ObjectStore): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list("")) keys.push(key);
  return keys;
}

/** Two stores that cannot copy between them by themselves, as of two providers' regions. */
async function twoStores() {
  const source = new FaultObjectStore(new MemoryObjectStore());
  const destination = new FaultObjectStore(new MemoryObjectStore());
  const manifest = await storeBackup(await openFixture(source), "b1");
  return { source, destination, manifest };
}

async function backupsAt(store: ObjectStore): Promise<readonly string[]> {
  const repository = await Repository.open({ store, serviceId, masterKey, compressionLevel: 1 });
  return await repository.backupIds();
}

test("C2: a copy holds the same objects as the primary, byte for byte, the manifest last", async () => {
  const { source, destination } = await twoStores();
  const { sentBytes } = await copy(source, destination);
  assert.deepEqual(await keysOf(destination), await keysOf(source));
  for (const key of await keysOf(source)) assert.deepEqual(await destination.get(key), await source.get(key), key);
  const written = [...destination.keysOf("put"), ...destination.keysOf("copyFrom")];
  assert.equal(destination.keysOf("put").at(-1) ?? written.at(-1), objectNames.manifest(serviceId, "b1"));
  assert.ok(sentBytes > 0);
});

test("C5: stopped between any two steps, a copy is not visible, goes on, and sends nothing twice", async () => {
  const probe = await twoStores();
  await copy(probe.source, probe.destination);
  const steps = probe.destination.calls();
  assert.ok(steps > 8, `${steps} steps`);
  for (let step = 0; step < steps; step += 1) {
    const { source, destination, manifest } = await twoStores();
    destination.failWith("STORE_UNREACHABLE", { afterCalls: step });
    await assert.rejects(copy(source, destination), BtarError, `stopped at step ${step}`);
    destination.heal();
    const keys = await keysOf(destination);
    if (keys.includes(objectNames.manifest(serviceId, "b1"))) {
      // Everything that it names is there by then.
      for (const pack of manifest.packs) assert.ok(keys.includes(objectNames.pack(serviceId, pack.sha256)));
    }
    const before = new Set(keys);
    await copy(source, destination);
    assert.deepEqual(await backupsAt(destination), ["b1"], `after step ${step}`);
    assert.deepEqual(await keysOf(destination), await keysOf(source));
    for (const key of before) assert.deepEqual(await destination.get(key), await source.get(key));
  }
});

test("C5: a second backup sends only what the destination lacks", async () => {
  const { source, destination, manifest } = await twoStores();
  await copy(source, destination);
  const again = await copy(source, destination);
  assert.equal(again.sentBytes, 0);
  assert.equal(
    again.doneBytes,
    manifest.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0),
  );
});

test("C4: a pack that is damaged in the primary is found by the copy, named, and not copied", async () => {
  const damages: readonly ((store: FaultObjectStore, key: string) => Promise<void>)[] = [
    (store, key) => store.flipByte(key),
    (store, key) => store.cutShort(key),
    (store, key) => store.remove(key),
  ];
  for (const damage of damages) {
    const { source, destination, manifest } = await twoStores();
    const key = objectNames.pack(serviceId, manifest.packs[0]?.sha256 ?? "");
    await damage(source, key);
    const error = await copy(source, destination).then(
      () => assert.fail("the copy went through"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof BtarError);
    assert.match(error.code, /^(OBJECT_DAMAGED|OBJECT_MISSING)$/);
    assert.ok(error.message.includes(key), error.message);
    assert.deepEqual(await backupsAt(destination), []);
    assert.equal(await destination.head(key), undefined);
  }
});

test("X3: a manifest that is damaged, or another backup's, is found before it is copied", async () => {
  const { source, destination } = await twoStores();
  await storeBackup(await openFixture(source), "b2x");
  await source.swap(objectNames.manifest(serviceId, "b1"), objectNames.manifest(serviceId, "b2x"));
  const error = await rejectsWith("OBJECT_DAMAGED", () => copy(source, destination));
  assert.ok(error.message.includes(objectNames.manifest(serviceId, "b1")), error.message);
  assert.deepEqual(await keysOf(destination), []);
});

test("C4: what arrived wrong at the destination is removed and sent again", async () => {
  const { source, destination, manifest } = await twoStores();
  const key = objectNames.pack(serviceId, manifest.packs[0]?.sha256 ?? "");
  await destination.put(key, Buffer.from("left by a broken disk"));
  await rejectsWith("STORE_REFUSED", () => copy(source, destination));
  await copy(source, destination);
  assert.deepEqual(await destination.get(key), await source.get(key));
});

test("C6: log is copied piece by piece; a damaged piece is found and named", async () => {
  const source = new FaultObjectStore(new MemoryObjectStore());
  const destination = new MemoryObjectStore();
  const repository = await openFixture(source);
  const at = (number: number) => number.toString(16).toUpperCase().padStart(16, "0");
  for (const start of [16, 32, 48]) {
    const piece = { stream, start: at(start), end: at(start + 16), newestCommitMicros: 5n };
    await repository.putLogPiece(piece, Buffer.alloc(16, start));
  }
  const missing = async (from?: string) => {
    const keys: string[] = [];
    const request = { source, destination, serviceId, signal };
    const found = from === undefined ? missingLog(request) : missingLogFrom(request, { stream, end: from });
    for await (const { key } of found) keys.push(key);
    return keys;
  };
  const keys = await missing();
  assert.equal(keys.length, 3);
  const [first = "", second = "", third = ""] = keys;
  await copyLogObject({ source, destination, key: second, signal });
  assert.deepEqual(await missing(), [first, third]);
  assert.deepEqual(await missing(at(48)), [third]);
  await source.flipByte(first);
  const error = await rejectsWith("OBJECT_DAMAGED", () => copyLogObject({ source, destination, key: first, signal }));
  assert.ok(error.message.includes(first));
  assert.deepEqual(await missing(), [first, third]);
});

/** A clock by which every wait is over in the next turn of this process: only what is waited for takes time. */
class LeapingClock implements Clock {
  #nowMs = 0;

  now(): Date {
    return new Date(this.#nowMs);
  }

  async sleep(ms: number): Promise<void> {
    await nextTurn();
    this.#nowMs += ms;
  }
}

test("C7: base backups and log share the limit of their clouds, log first; what arrives is the same", async (context) => {
  const { source, manifest } = await twoStores();
  const destination = new FileObjectStore(await temporaryDirectory(context));
  await destination.open({ create: true });
  const totalBytes = manifest.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  const repository = await openFixture(source);
  const at = (number: number) => number.toString(16).toUpperCase().padStart(16, "0");
  const content = randomBytes(Math.floor(totalBytes / 4));
  const piece = { stream, start: at(16), end: at(16 + content.length), newestCommitMicros: 5n };
  await repository.putLogPiece(piece, content);
  const clock = new LeapingClock();
  const limit = new BandwidthLimit(totalBytes, clock);
  const beganAtMs = clock.now().getTime();
  const endedMs: Record<string, number> = {};
  const ended = (what: string) => () => void (endedMs[what] = clock.now().getTime() - beganAtMs);
  const base = copyBaseBackup({
    ...{ source, destination, serviceId, backupId: "b1", masterKey, signal },
    pace: limit.pace({ isUrgent: false }),
  }).then(ended("base"));
  const key = objectNames.logPiece(serviceId, piece);
  const log = copyLogObject({ source, destination, key, signal, pace: limit.pace({ isUrgent: true }) });
  await Promise.all([base, log.then(ended("log"))]);
  const { base: baseMs = 0, log: logMs = 0 } = endedMs;
  // A second's worth of base backup, and a quarter of log; the last slice costs nobody a pause.
  assert.ok(baseMs > 900 && baseMs < 10_000, `${baseMs} ms`);
  assert.ok(logMs < baseMs * 0.7, `log after ${logMs} ms, base backup after ${baseMs} ms`);
  for (const each of await keysOf(source)) assert.deepEqual(await destination.get(each), await source.get(each), each);
});

test("C7: between folders with a limit nothing is copied beside it; a cancelled copy ends at once", async (context) => {
  const directory = await temporaryDirectory(context);
  const stores = ["a", "b"].map((name) => new FaultObjectStore(new FileObjectStore(join(directory, name))));
  const [source, destination] = stores;
  assert.ok(source && destination);
  for (const store of stores) await store.open({ create: true });
  const { packs } = await storeBackup(await openFixture(source), "b1");
  const stop = new AbortController();
  const pace = new BandwidthLimit(1024).pace({ isUrgent: false });
  const slow = copyBaseBackup({
    ...{ source, destination, serviceId, backupId: "b1", masterKey, pace },
    signal: stop.signal,
  });
  while (source.calls("get") < 3) await nextTurn();
  stop.abort();
  await rejectsWith("CANCELLED", () => slow);
  const fast = new BandwidthLimit(2 ** 30).pace({ isUrgent: false });
  const copied = await copyBaseBackup({
    ...{ source, destination, serviceId, backupId: "b1", masterKey, pace: fast, signal },
  });
  assert.equal(
    copied.doneBytes,
    packs.reduce((sum, pack) => sum + pack.sizeBytes, 0),
  );
  assert.equal(destination.calls("copyFrom"), 0);
});
