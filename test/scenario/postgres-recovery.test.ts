import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, readlink, rm } from "node:fs/promises";
import path from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { BtarError } from "../../src/domain/errors.ts";
import { lsnFromSortable, parseLsn } from "../../src/domain/lsn.ts";
import type { RecoveryPlan, RecoveryTarget } from "../../src/engine/engine.ts";
import type { FeedLog, RecoveryProgress, ServerSpec } from "../../src/engine/server.ts";
import { throwIfCancelled } from "../../src/platform/clock.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { type BaseCopy, readLog, type StoredLog, takeBaseCopy } from "../support/base-copy.ts";
import {
  adminOf,
  connect,
  internalOf,
  ManagedServers,
  noSignal,
  query,
  refusal,
  specOf,
} from "../support/managed-postgres.ts";
import { ownByServerUser, startPostgres } from "../support/postgres-server.ts";
import { until } from "../support/regions.ts";

/** Servers of the sources, which are stopped once their log has been read. */
const sourceServers = await ManagedServers.create();
after(() => sourceServers[Symbol.asyncDispose]());
const sources = new Map<string, Promise<Source>>();

/** A source that has written five rows, each in a transaction of its own, the last four of them after the backup. */
interface Source {
  readonly spec: ServerSpec;
  readonly copy: BaseCopy;
  readonly log: StoredLog;
  /** Timeline histories by stream. */
  readonly history: ReadonlyMap<string, Uint8Array>;
  /** Commit times of the rows 2 to 5 by id, microseconds since 1970. */
  readonly commitTimes: ReadonlyMap<number, bigint>;
}

for (const majorVersion of ["14", "15", "16", "17", "18"]) {
  test(`F4: PostgreSQL ${majorVersion} is recovered to the end of its log, and to a time between two commits`, async () => {
    await using servers = await ManagedServers.create();
    const source = await sourceOf(majorVersion);

    const latest = await fork(servers, source, "latest", { kind: "latest" });
    assert.deepEqual(await rowsOf(latest.spec), [1, 2, 3, 4, 5]);
    assert.equal(latest.result.lastCommitAt?.getTime(), Number(committedAt(source, 5) / 1000n));
    await assertTakenOver(latest.spec, source.spec);

    const atMicros = (committedAt(source, 3) + nextCommitAfter(source, 3)) / 2n;
    const between = await fork(servers, source, "between", { kind: "time", atMicros });
    assert.deepEqual(await rowsOf(between.spec), [1, 2, 3]);
    assert.equal(between.result.lastCommitAt?.getTime(), Number(committedAt(source, 3) / 1000n));
    assert.equal(parseLsn(between.result.stoppedAt), lsnFromSortable(between.plan.stopBefore?.position ?? ""));
  });
}

for (const majorVersion of ["14", "18"]) {
  test(`F4: PostgreSQL ${majorVersion} is recovered to the very time of a commit, and to the end of a backup`, async () => {
    await using servers = await ManagedServers.create();
    const source = await sourceOf(majorVersion);

    const atCommit = await fork(servers, source, "at-commit", { kind: "time", atMicros: committedAt(source, 3) });
    assert.deepEqual(await rowsOf(atCommit.spec), [1, 2, 3]);

    const atLast = await fork(servers, source, "at-last-commit", { kind: "time", atMicros: committedAt(source, 5) });
    assert.deepEqual(await rowsOf(atLast.spec), [1, 2, 3, 4, 5]);
    assert.equal(atLast.plan.stopBefore, undefined);

    const backupEnd = await fork(servers, source, "backup-end", { kind: "backup-end" });
    assert.deepEqual(await rowsOf(backupEnd.spec), [1, 2]);
    assert.equal(backupEnd.result.lastCommitAt?.getTime(), Number(committedAt(source, 2) / 1000n));
  });
}

test("a backup reaches through the promotion of its server, and not along what the old one wrote on", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18");
  const atMicros = committedAt(source, 3);
  const promoted = await fork(servers, source, "promoted", { kind: "time", atMicros });
  await using client = await connect(internalOf(promoted.spec, "defaultdb"));
  await client.query("insert into written values (6)");
  const stream = `${source.copy.facts.identity.systemId}-00000002`;
  const later = await readLog(client, { stream, from: parseLsn(promoted.result.stoppedAt), pieceBytes: 54_321 });
  const files = servers.driver.filesDirectory(servers.directoryOf("promoted"));
  const history = new Map([[stream, await readFile(path.join(files, "pg_wal", "00000002.history"))]]);
  const log: StoredLog = {
    pieces: [...source.log.pieces, ...later.pieces],
    commits: [],
    readPiece: (piece) => (piece.stream === stream ? later : source.log).readPiece(piece),
  };

  const latest = await fork(servers, { ...source, log, history }, "latest", { kind: "latest" });
  assert.deepEqual(await rowsOf(latest.spec), [1, 2, 3, 6]);
  assert.equal(latest.result.lastCommitAt?.getTime(), Number((later.commits.at(-1)?.atMicros ?? 0n) / 1000n));
  const [row] = await query(internalOf(latest.spec), "checkpoint", "select timeline_id from pg_control_checkpoint()");
  assert.deepEqual(row, [3]);

  const before = await fork(servers, { ...source, log, history }, "before", { kind: "time", atMicros: atMicros - 1n });
  assert.deepEqual(await rowsOf(before.spec), [1, 2]);
});

test("a recovery whose server was killed goes on when it is run again", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18", { isLarge: true });
  const directory = servers.directoryOf("killed");
  const { plan } = await restoreFiles(servers, source, directory, { kind: "latest" });
  const spec = await specOf("killed", "18");
  const seen: RecoveryProgress[] = [];
  const killed = Promise.withResolvers<void>();
  const kill = async () => {
    const status = await servers.driver.status(directory);
    assert.ok(status.state === "running");
    process.kill(status.pid, "SIGKILL");
  };
  const onProgress = (progress: RecoveryProgress) => {
    if (seen.push(progress) === 1) kill().then(killed.resolve, killed.reject);
  };
  // It waits for the second half, so that it cannot end before it is killed.
  const feedLog = feedOf(source, plan, async (index) => {
    if (index >= plan.pieces.length / 2) await killed.promise;
  });
  const request = { ...source.copy, plan, signal: noSignal, onProgress };
  const failure = await rejectsWith("RECOVERY_FAILED", () =>
    servers.driver.recover(directory, spec, { ...request, feedLog }),
  );
  assert.match(failure.message, /SIGKILL/);
  assert.deepEqual(await servers.driver.status(directory), { state: "absent" });
  await rejectsWith("WRONG_STATE", () => servers.driver.start(directory, spec, { signal: noSignal }));

  const result = await servers.driver.recover(directory, spec, { ...request, feedLog: feedOf(source, plan) });
  assert.deepEqual(await rowsOf(spec), [1, 2, 3, 4, 5]);
  assert.deepEqual(await query(internalOf(spec, "defaultdb"), "select count(*)::int from filler"), [[300_000]]);
  assert.ok(seen.length > 0 && seen.every(({ fraction }) => fraction >= 0 && fraction <= 1));
  assert.ok(
    seen.every(({ position, end }) => parseLsn(position) <= parseLsn(end)),
    "F7: it tells where it will end",
  );

  const again = await servers.driver.recover(directory, spec, { ...source.copy, plan, signal: noSignal });
  assert.deepEqual(again, result, "a recovery that is complete tells its result again");
});

test("a server replays while its log is still being fetched, holds little of it, and waits for what is late", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18", { isLarge: true });
  const directory = servers.directoryOf("fed");
  const { plan, files } = await restoreFiles(servers, source, directory, { kind: "latest" });
  const spec = await specOf("fed", "18");
  let isReplaying = false;
  const onProgress = ({ fraction }: RecoveryProgress) => {
    isReplaying ||= fraction > 0;
  };
  const half = Math.floor(plan.pieces.length / 2);
  const feedLog = feedOf(source, plan, async (index) => {
    if (index < half) return;
    // The server has come to what is there, and waits.
    await until("the server replays", async () => isReplaying);
  });
  const request = { ...source.copy, plan, feedLog, signal: noSignal, onProgress };
  await servers.driver.recover(directory, spec, request);
  assert.deepEqual(await rowsOf(spec), [1, 2, 3, 4, 5]);
  assert.deepEqual(await query(internalOf(spec, "defaultdb"), "select count(*)::int from filler"), [[300_000]]);
  assert.deepEqual(await readdir(path.join(files, "..")).then((names) => names.includes("log-ahead")), false);
});

test("a recovery whose log cannot be fetched fails with the reason, and is not taken for complete", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18", { isLarge: true });
  const directory = servers.directoryOf("unfed");
  const { plan } = await restoreFiles(servers, source, directory, { kind: "latest" });
  const spec = await specOf("unfed", "18");
  const feedLog = feedOf(source, plan, async (index) => {
    if (index === Math.floor(plan.pieces.length / 2))
      throw new BtarError("OBJECT_MISSING", { message: "a piece is gone" });
  });
  const request = { ...source.copy, plan, signal: noSignal };
  await rejectsWith("OBJECT_MISSING", () => servers.driver.recover(directory, spec, { ...request, feedLog }));
  assert.deepEqual(await servers.driver.status(directory), { state: "absent" });
  // With all of its log, the same directory goes on.
  await servers.driver.recover(directory, spec, { ...request, feedLog: feedOf(source, plan) });
  assert.deepEqual(await rowsOf(spec), [1, 2, 3, 4, 5]);
});

test("F7: a cancelled recovery leaves no server running", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18", { isLarge: true });
  const directory = servers.directoryOf("cancelled");
  const { plan } = await restoreFiles(servers, source, directory, { kind: "latest" });
  const controller = new AbortController();
  const spec = await specOf("cancelled", "18");
  const onProgress = () => controller.abort();
  // It waits for the second half, so that it cannot end before it is cancelled.
  const feedLog = feedOf(source, plan, async (index) => {
    if (index >= plan.pieces.length / 2 && !controller.signal.aborted) await once(controller.signal, "abort");
  });
  await rejectsWith("CANCELLED", () =>
    servers.driver.recover(directory, spec, { ...source.copy, plan, feedLog, signal: controller.signal, onProgress }),
  );
  assert.deepEqual(await servers.driver.status(directory), { state: "absent" });
});

test("a recovery that finds its log damaged fails with what the server says", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18");
  const directory = servers.directoryOf("damaged");
  const { plan } = await restore(servers, source, directory, {
    kind: "time",
    atMicros: committedAt(source, 4),
  });
  const wal = path.join(servers.driver.filesDirectory(directory), "pg_wal");
  for (const name of await readdir(wal)) await rm(path.join(wal, name), { recursive: true });
  const spec = await specOf("damaged", "18");
  const failure = await rejectsWith("RECOVERY_FAILED", () =>
    servers.driver.recover(directory, spec, { ...source.copy, plan, signal: noSignal }),
  );
  assert.match(failure.message, /FATAL: could not locate required checkpoint record/);
});

test("a backup of a server that btar did not make becomes a managed one", async () => {
  await using servers = await ManagedServers.create();
  await using attached = await startPostgres({ majorVersion: "16", settings: { max_connections: 300 } });
  await attached.sql("create role boss superuser login password 'old'; create role app login password 'old'");
  await attached.sql("create database shop owner app");
  await attached.sql("create table kept as select 1 as id");
  await attached.sql("create subscription taken connection 'dbname=no' publication p with (connect = false)");
  await attached.sql("alter subscription taken enable");
  const client = await connect({ port: attached.address.port, user: attached.address.user, password: "" });
  const copy = await takeBaseCopy(client, path.join(servers.root, "copy"));
  const log = await readLog(client, logRequest(copy));
  await client.end();

  const source = { spec: await specOf("attached", "16"), copy, log, history: new Map(), commitTimes: new Map() };
  const { spec } = await fork(servers, source, "adopted", { kind: "latest" });
  assert.deepEqual(await query(internalOf(spec), "select id from kept"), [[1]]);
  const roles = await query(
    internalOf(spec),
    "select rolname, rolsuper, rolcanlogin from pg_roles where rolname !~ '^pg_' order by 1",
  );
  assert.deepEqual(roles, [
    ["app", false, true],
    ["avnadmin", false, true],
    ["boss", false, true],
    ["btar_internal", true, true],
    ["postgres", true, false],
  ]);
  assert.deepEqual(await query(internalOf(spec), "select subenabled from pg_subscription"), [[false]]);
  assert.deepEqual(await query({ ...adminOf(spec, "shop"), user: "app", password: "old" }, "select 1"), [[1]]);
  const accounts = await servers.driver.listAccounts(
    servers.driver.internalAddress(servers.directoryOf("adopted"), spec),
  );
  assert.deepEqual(accounts.users, ["app", "avnadmin", "boss"]);
});

test("files alone are ready to start: with links, without leftovers, and with a configuration that works anywhere", async () => {
  await using servers = await ManagedServers.create();
  const source = await sourceOf("18");
  const directory = servers.directoryOf("files");
  const { plan, files } = await restore(servers, source, directory, { kind: "latest" });
  const location = source.copy.facts.engineFacts.tablespaces as { oid: string; location: string }[];
  const [{ oid, location: original } = { oid: "", location: "" }] = location;
  const elsewhere = path.join(servers.root, "elsewhere");
  const request = { ...source.copy, plan, tablespaces: { mapping: new Map([[original, elsewhere]]) } };
  await servers.driver.prepareRecovery(files, request);
  await servers.driver.prepareRecovery(files, request); // can be repeated

  assert.equal(await readlink(path.join(files, "pg_tblspc", oid)), elsewhere);
  assert.equal((await readdir(elsewhere)).length, 1);
  assert.match(await readFile(path.join(files, "postgresql.conf.source"), "utf8"), /shared_buffers/);
  assert.doesNotMatch(await readFile(path.join(files, "postgresql.conf"), "utf8"), /tls|shared_buffers/);
  assert.doesNotMatch(await readFile(path.join(files, "postgresql.auto.conf"), "utf8"), /recovery_target_lsn/);
  const names = await readdir(files);
  assert.ok(names.includes("recovery.signal") && names.includes("backup_label") && !names.includes("postmaster.pid"));

  // The very thing that its user will do.
  await ownByServerUser(elsewhere);
  await using started = await startPostgres({ majorVersion: "18", dataDirectory: files });
  assert.match(started.log(), /archive recovery complete/);
});

/** @param options.isLarge with so much log that its replay takes a while */
async function sourceOf(majorVersion: string, options = { isLarge: false }): Promise<Source> {
  const name = `source-${majorVersion}${options.isLarge ? "-large" : ""}`;
  const source = sources.get(name) ?? makeSource(name, majorVersion, options.isLarge ? 300_000 : 0);
  sources.set(name, source);
  return await source;
}

/** Starts a server, loads it, backs it up, and writes on. */
async function makeSource(name: string, majorVersion: string, fillerRows: number): Promise<Source> {
  const { driver, root } = sourceServers;
  const spec = await specOf(name, majorVersion, { pg: { max_connections: 200, max_prepared_transactions: 10 } });
  const directory = sourceServers.directoryOf(name);
  await driver.initialize(directory, spec, { signal: noSignal });
  await driver.start(directory, spec, { signal: noSignal });
  const address = driver.internalAddress(directory, spec);
  await driver.putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await driver.createDatabase(address, { name: "defaultdb", owner: spec.accounts.admin.name });
  await using client = await connect({ ...internalOf(spec, "defaultdb") });
  const tablespace = path.join(directory, "fast");
  await mkdir(tablespace);
  await ownByServerUser(tablespace);
  await client.query(`create tablespace fast location '${tablespace}'`);
  await client.query("create table written (id int primary key) tablespace fast");
  await client.query("select pg_create_physical_replication_slot('kept', true)");
  await client.query("insert into written values (1)");

  const committed = new Map<number, bigint>();
  const commit = async (id: number) => {
    await client.query(`insert into written values (${id})`);
    committed.set(id, parseLsn((await client.query("select pg_current_wal_insert_lsn() as lsn")).rows[0].lsn));
  };
  const copy = await takeBaseCopy(client, path.join(root, `${name}-copy`), () => commit(2));
  await commit(3);
  await client.query(
    `create table filler as select n, repeat('x', 200) as text from generate_series(1, ${fillerRows}) n`,
  );
  await commit(4);
  // The log goes on behind the last commit, as it does in life.
  await client.query("begin; insert into written values (100); rollback");
  await commit(5);
  await client.query("checkpoint");
  const log = await readLog(client, logRequest(copy));
  await driver.stop(directory);
  const commitTimes = [...committed].map(([id, end]) => {
    const own = log.commits.findLast((each) => each.end <= end);
    return [id, own?.atMicros ?? 0n] as const;
  });
  return { spec, copy, log, history: new Map(), commitTimes: new Map(commitTimes) };
}

function logRequest(copy: BaseCopy) {
  const { stream, start } = copy.facts.log;
  return { stream, from: lsnFromSortable(start), pieceBytes: 54_321 };
}

/** When the transaction committed that followed on a row's, whatever it was. */
function nextCommitAfter(source: Source, row: number): bigint {
  const times = source.log.commits.map(({ atMicros }) => atMicros);
  const next = times.find((atMicros) => atMicros > committedAt(source, row));
  assert.ok(next, `nothing was committed after row ${row}`);
  return next;
}

function committedAt(source: Source, row: number): bigint {
  const atMicros = source.commitTimes.get(row);
  assert.ok(atMicros, `row ${row} was not committed`);
  return atMicros;
}

/** Puts files and log of the source into a directory, as the engine's caller does. */
async function restore(servers: ManagedServers, source: Source, directory: string, target: RecoveryTarget) {
  const { plan, files } = await restoreFiles(servers, source, directory, target);
  const restorer = servers.driver.logRestorer(files, source.copy.facts, plan);
  for (const [stream, content] of source.history) await restorer.history(stream, content);
  await Promise.all(
    plan.pieces.toReversed().map(async (piece) => {
      await restorer.write(piece.stream, piece.start, await source.log.readPiece(piece));
    }),
  );
  await restorer.finish();
  return { plan, files };
}

async function restoreFiles(servers: ManagedServers, source: Source, directory: string, target: RecoveryTarget) {
  const { driver } = servers;
  const files = driver.filesDirectory(directory);
  const plan = await driver.planRecovery({
    facts: source.copy.facts,
    target,
    pieces: source.log.pieces,
    history: source.history,
    readPiece: (piece) => source.log.readPiece(piece),
  });
  await mkdir(directory);
  await promisify(execFile)("cp", ["-a", source.copy.files, files]);
  return { plan, files };
}

/** Hands on the log while the server replays it, as slowly as `beforePiece` makes it. */
function feedOf(
  source: Source,
  plan: RecoveryPlan,
  beforePiece: (index: number) => Promise<void> = async () => {},
): FeedLog {
  return async (restorer, signal) => {
    for (const [stream, content] of source.history) await restorer.history(stream, content);
    for (const [index, piece] of plan.pieces.entries()) {
      await beforePiece(index);
      throwIfCancelled(signal);
      await restorer.write(piece.stream, piece.start, await source.log.readPiece(piece));
    }
    await restorer.finish();
  };
}

async function fork(servers: ManagedServers, source: Source, name: string, target: RecoveryTarget) {
  const directory = servers.directoryOf(name);
  const { plan } = await restoreFiles(servers, source, directory, target);
  const settings = { max_connections: 40, log_min_duration_statement: 1234 };
  const spec = await specOf(name, source.spec.majorVersion, { pg: settings });
  const request = { facts: source.copy.facts, plan, feedLog: feedOf(source, plan), signal: noSignal };
  const result = await servers.driver.recover(directory, spec, request);
  return { spec, plan, result };
}

async function rowsOf(spec: ServerSpec): Promise<unknown[]> {
  return (await query(adminOf(spec), "select id from written order by 1")).flat();
}

/** F5, F6: own passwords, own timeline, own settings, nothing that reaches out to others. */
async function assertTakenOver(spec: ServerSpec, source: ServerSpec): Promise<void> {
  assert.equal(await refusal({ ...adminOf(spec), password: source.accounts.admin.password }), "28P01");
  assert.equal(await refusal({ ...internalOf(spec), password: source.accounts.internal.password }), "28P01");
  const setting = (name: string) => `(select setting from pg_settings where name = '${name}')`;
  const names = ["max_connections", "log_min_duration_statement", "archive_mode", "hot_standby", "restore_command"];
  const [row] = await query(
    internalOf(spec),
    "checkpoint",
    `select ${names.map(setting).join()}, timeline_id, (select count(*)::int from pg_replication_slots),
       (select count(*)::int from pg_settings where pending_restart), pg_is_in_recovery() from pg_control_checkpoint()`,
  );
  assert.deepEqual(row, ["40", "1234", "off", "on", "", 2, 0, 0, false]);
}
