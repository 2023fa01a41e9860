import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { dropCoveredPiece, healLog, healObject } from "../../src/copier/heal-object.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { BaseBackupWriter } from "../../src/repository/base-backup-writer.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import { pageBytes } from "../../src/repository/file-map.ts";
import type { Finding } from "../../src/repository/finding.ts";
import { mergeLog } from "../../src/repository/log-merge.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { PackWriter } from "../../src/repository/pack-writer.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { RestoreReader } from "../../src/repository/restore-reader.ts";
import { dataBytes, type ReadObject, verifyData } from "../../src/repository/verify-data.ts";
import { deltaProblem } from "../../src/repository/verify-deltas.ts";
import { verifyStructure } from "../../src/repository/verify-structure.ts";
import { neverAborted, openFixture, serviceId } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { position, putLog, stream, TinyBackups } from "../support/tiny-backups.ts";

const log = [{ stream, start: position(8), end: position(26) }];

interface Verified {
  readonly findings: readonly Finding[];
  readonly read: readonly ReadObject[];
}

/** Checks structure, and reads all data. */
async function verify(repository: Repository, workers: BlobWorkers): Promise<Verified> {
  const { findings, packs } = await verifyStructure({
    repository,
    known: new Set(["b1", "b2"]),
    log,
    onProgress: () => undefined,
    signal: neverAborted,
  });
  const read: ReadObject[] = [];
  const request = { repository, workers, packs, log, signal: neverAborted };
  await verifyData({
    ...request,
    after: undefined,
    maxBytes: await dataBytes(request),
    onRead: async (object) => void read.push(object),
  });
  const structural = new Set(findings.map(({ key }) => key));
  return {
    findings: [
      ...findings,
      ...read.flatMap(({ finding }) => (finding && !structural.has(finding.key) ? [finding] : [])),
    ],
    read,
  };
}

/** Two base backups, the second on top of the first, and their log. */
async function givenStore() {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  await using backups = new TinyBackups();
  const files = new Map([
    ["base/5/1", randomBytes(6 * pageBytes)],
    ["base/5/2", Buffer.alloc(300 * pageBytes, "row ")],
  ]);
  await backups.take(repository, files, { backupId: "b1", at: 10 });
  const changed = Buffer.from(files.get("base/5/2") ?? Buffer.alloc(0));
  changed.fill(1, 0, pageBytes);
  await backups.take(repository, new Map([...files, ["base/5/2", changed]]), { backupId: "b2", at: 20 });
  for (let at = 8; at < 26; at += 1) await putLog(repository, at);
  return { store, repository };
}

async function copyOf(store: FaultObjectStore): Promise<FaultObjectStore> {
  const copy = new FaultObjectStore(new MemoryObjectStore("copy"));
  for (const key of await store.keys()) await copy.put(key, (await store.get(key)) ?? Buffer.alloc(0));
  return copy;
}

const named = (findings: readonly Finding[]) => findings.map(({ key, kind }) => `${kind} ${key}`);

test("a store that is sound has no findings, and all of it is read", async () => {
  const workers = new BlobWorkers(1);
  const { store, repository } = await givenStore();
  const { findings, read } = await verify(repository, workers);
  assert.deepEqual(findings, []);
  const data = (await store.keys()).filter((key) => /\/(?:pack|log)\//.test(key));
  assert.deepEqual(
    read.map(({ key }) => key),
    data,
  );
  assert.deepEqual(read.map(({ isLast }) => isLast).lastIndexOf(true), read.length - 1);
  await workers.close();
});

test("whatever is flipped, cut short or removed is found by its name, with the base backups it affects, and healed", async () => {
  const workers = new BlobWorkers(1);
  const { store: sound } = await givenStore();
  const keys = (await sound.keys()).filter((key) => !key.startsWith(objectNames.keys(serviceId)));
  const harms: readonly ((store: FaultObjectStore, key: string) => Promise<void>)[] = [
    (store, key) => store.flipByte(key, 0),
    (store, key) => store.flipByte(key),
    (store, key) => store.flipByte(key, -1),
    (store, key) => store.cutShort(key),
    (store, key) => store.remove(key),
  ];
  for (const [index, key] of keys.entries()) {
    const store = await copyOf(sound);
    const repository = await openFixture(store);
    await harms[index % harms.length]?.(store, key);
    await assertFoundAndHealed({ store, sound, repository, workers, key });
  }
  // Each kind of object is harmed in each way.
  for (const kind of ["/base/b1/", "/base/b2/", "/pack/", "/log/", "/service/"]) {
    const key = keys.find((name) => name.includes(kind)) ?? "";
    for (const harm of harms) {
      const store = await copyOf(sound);
      const repository = await openFixture(store);
      await harm(store, key);
      await assertFoundAndHealed({ store, sound, repository, workers, key });
    }
  }
  await workers.close();
});

async function assertFoundAndHealed(damaged: {
  readonly store: FaultObjectStore;
  readonly sound: FaultObjectStore;
  readonly repository: Repository;
  readonly workers: BlobWorkers;
  readonly key: string;
}): Promise<void> {
  const { store, sound, repository, workers, key } = damaged;
  const { findings } = await verify(repository, workers);
  const [finding] = findings;
  assert.ok(finding, `nothing was found of ${key}`);
  const request = { serviceId, destination: store, sources: [{ cloud: "other", store: sound }], signal: neverAborted };
  if (finding.log) {
    const damagedKey = finding.kind === "damaged" ? finding.key : undefined;
    assert.deepEqual(await healLog(request, finding.log, damagedKey), { kind: "healed", from: "other" });
  } else {
    assert.equal(finding.key, key);
    if (key.includes("/pack/")) assert.ok(finding.backups.length > 0);
    assert.deepEqual(await healObject(request, key), { kind: "healed", from: "other" });
  }
  assert.deepEqual(await store.get(key), await sound.get(key), key);
  assert.deepEqual((await verify(repository, workers)).findings, [], key);
}

test("two packs whose contents were swapped, and a stray, are found", async () => {
  const workers = new BlobWorkers(1);
  const { store, repository } = await givenStore();
  const [one = "", other = ""] = (await store.keys()).filter((key) => key.includes("/pack/"));
  await store.swap(one, other);
  await store.put(`${serviceId}/pack/ab/notes`, Buffer.from("mine"));
  const { findings } = await verify(repository, workers);
  assert.deepEqual(
    new Set(named(findings)),
    new Set([`damaged ${one}`, `damaged ${other}`, `stray ${serviceId}/pack/ab/notes`]),
  );
  await workers.close();
});

test("log is healed from pieces with other boundaries", async () => {
  const { store, repository } = await givenStore();
  const other = await copyOf(store);
  const merged = { stream, from: undefined, isEnded: true, graceMs: 0, now: new Date(), signal: neverAborted };
  await mergeLog(await openFixture(other), merged);
  await mergeLog(await openFixture(other), merged);
  const [piece = ""] = (await store.keys()).filter((key) => key.includes(`/${position(12)}-`));
  await store.flipByte(piece);
  const workers = new BlobWorkers(1);
  const [finding] = (await verify(repository, workers)).findings;
  assert.ok(finding?.log);
  const request = { serviceId, destination: store, sources: [{ cloud: "other", store: other }], signal: neverAborted };
  assert.deepEqual(await healLog(request, finding.log, finding.key), { kind: "healed", from: "other" });
  assert.equal(await store.get(piece), undefined);
  assert.deepEqual((await verify(repository, workers)).findings, []);
  await workers.close();
});

test("nothing is taken from a source that is damaged as well, missing it, or down; what is here stays", async () => {
  const { store } = await givenStore();
  const other = await copyOf(store);
  const [pack = ""] = (await store.keys()).filter((key) => key.includes("/pack/"));
  await store.flipByte(pack);
  const damaged = await store.get(pack);
  const request = { serviceId, destination: store, sources: [{ cloud: "other", store: other }], signal: neverAborted };
  await other.flipByte(pack, 100);
  const outcomes = [await healObject(request, pack)];
  await other.remove(pack);
  outcomes.push(await healObject(request, pack));
  other.failWith("STORE_UNREACHABLE");
  outcomes.push(await healObject(request, pack));
  const reasons = outcomes.map((outcome) => (outcome.kind === "hopeless" ? outcome.reasons.join() : "healed"));
  for (const [index, pattern] of [/do not match its name/, /it has none/, /fails on purpose/].entries())
    assert.match(reasons[index] ?? "", pattern);
  assert.deepEqual(await store.get(pack), damaged);
});

test("fingerprints that lie, under a name and seals that are right, are found", async () => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const workers = new BlobWorkers(1);
  const packs = new PackWriter({ store, serviceId, dataKey: repository.keys.current, signal: neverAborted });
  const options = { packs, workers, compressionLevel: 1, previous: undefined };
  const writer = new BaseBackupWriter({ ...options, fingerprintSeed: repository.keys.fingerprintSeed ^ 1n });
  const content = randomBytes(6 * pageBytes);
  writer.beginFile({ path: "base/5/1", sizeBytes: content.length, mode: 0o600, modifiedAt: new Date(0) });
  writer.write(content);
  writer.endFile();
  const { stored } = await writer.finish();
  const findings: Finding[] = [];
  await verifyData({
    ...{ repository, workers, log: [], after: undefined, maxBytes: Number.MAX_SAFE_INTEGER, signal: neverAborted },
    packs: stored.packs.map((pack) => ({ ...pack, backups: ["b1"] })),
    onRead: async ({ finding }) => void (finding && findings.push(finding)),
  });
  assert.deepEqual(
    findings.map(({ what, backups }) => [what, backups]),
    [["its fingerprints are not those of its pages", ["b1"]]],
  );
  await workers.close();
});

test("fingerprints of a delta that lie are found with the file map that has them", async () => {
  const { repository } = await givenStore();
  const manifest = await repository.manifest("b2");
  const reader = new RestoreReader(repository, manifest, neverAborted);
  const groups = await Promise.all(manifest.groups.map((_, number) => reader.group(number)));
  const deltas = groups.flatMap((group) =>
    group.files.flatMap(({ extents }) =>
      extents.flatMap((extent) => (extent.kind === "delta" ? [{ group, extent }] : [])),
    ),
  );
  const [found] = deltas;
  assert.ok(found, "the second backup has a delta");
  const { group, extent } = found;
  const session = group.packs[extent.delta.pack]?.session ?? "";
  const request = { repository, group, session, signal: neverAborted };
  assert.equal(await deltaProblem(request), undefined);
  extent.fingerprints[0] = (extent.fingerprints[0] ?? 0n) ^ 1n;
  assert.match((await deltaProblem(request)) ?? "", /not those of the delta/);
});

test("strays below every folder are told of, and are in nobody's way", async () => {
  const workers = new BlobWorkers(1);
  const { store } = await givenStore();
  const strays = ["base/b1/notes", "key/notes", `log/${stream}/00000000/notes`, "mine/notes", "notes", "pack/ab/notes"];
  for (const name of [...strays, "service/notes"]) await store.put(`${serviceId}/${name}`, Buffer.from("mine"));
  const { findings } = await verify(await openFixture(store), workers);
  assert.deepEqual(
    named(findings),
    [...strays, "service/notes"].map((name) => `stray ${serviceId}/${name}`),
  );
  await workers.close();
});

test("a damaged piece of log that others hold beside it is dropped; one that they hold in part is not", async () => {
  const { store, repository } = await givenStore();
  const merged = { stream, start: position(10), end: position(12), newestCommitMicros: undefined };
  await repository.putLogPiece(merged, Buffer.from("log 10log 11"));
  const keyOf = (piece: typeof merged) => objectNames.logPiece(serviceId, piece);
  const [narrow, last] = [
    { ...merged, end: position(11) },
    { ...merged, start: position(25), end: position(26) },
  ];
  const request = {
    ...{ serviceId, destination: store, sources: [], signal: neverAborted },
    checkOpens: (key: string, bytes: Buffer) => repository.checkSealed(key, bytes),
  };
  const drop = (piece: typeof merged) => dropCoveredPiece(request, { ...piece, after: undefined }, keyOf(piece));
  for (const piece of [narrow, last]) await store.flipByte(keyOf(piece));
  assert.equal(await drop(narrow), true);
  assert.equal(await drop(last), false);
  assert.equal(await store.get(keyOf(narrow)), undefined);
  assert.ok(await store.get(keyOf(last)));
  await store.flipByte(keyOf(merged));
  assert.equal(await drop(merged), false);
});

test("log that is merged while it is listed is not missing", async () => {
  const { store, repository } = await givenStore();
  const merged = { stream, start: position(10), end: position(14), newestCommitMicros: undefined };
  let listed = 0;
  store.interrupt(
    async (_operation, key) => {
      if (key !== objectNames.logStream(serviceId, stream)) return;
      listed += 1;
      if (listed !== 6) return;
      store.heal();
      await repository.putLogPiece(merged, Buffer.from("log"));
      for (let at = 10; at < 14; at += 1)
        await store.remove(objectNames.logPiece(serviceId, { ...merged, start: position(at), end: position(at + 1) }));
    },
    { operations: ["list"] },
  );
  const { findings } = await verifyStructure({
    ...{ repository, known: new Set<string>(), log, onProgress: () => undefined, signal: neverAborted },
  });
  assert.equal(listed, 6);
  assert.deepEqual(findings, []);
});

test("a share is read from where the last one ended, round and round", async () => {
  const workers = new BlobWorkers(1);
  const { repository } = await givenStore();
  const { packs } = await verifyStructure({
    ...{ repository, known: new Set<string>(), log, onProgress: () => undefined, signal: neverAborted },
  });
  const request = { repository, workers, packs, log, signal: neverAborted };
  const share = Math.ceil((await dataBytes(request)) / 5);
  const counts = new Map<string, number>();
  let after: string | undefined;
  let rounds = 0;
  for (let run = 0; run < 20; run += 1) {
    await verifyData({
      ...{ ...request, after, maxBytes: share },
      onRead: async ({ key, isLast }) => {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        after = isLast ? undefined : key;
        if (isLast) rounds += 1;
      },
    });
  }
  assert.ok(rounds >= 3, `${rounds} rounds`);
  const [fewest, most] = [Math.min(...counts.values()), Math.max(...counts.values())];
  assert.ok(fewest >= rounds && most <= rounds + 1, `${fewest} to ${most} reads in ${rounds} rounds`);
  await workers.close();
});
