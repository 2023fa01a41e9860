import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { LogEvent, LogPieceRef, RecoveryTarget } from "../../src/engine/engine.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import type { ServerSpec } from "../../src/engine/server.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { DirectorySink } from "../support/directory-sink.ts";
import { adminOf, connect, internalOf, ManagedServers, noSignal, query, specOf } from "../support/managed-postgres.ts";
import { ownByServerUser } from "../support/postgres-server.ts";

/** A write that the server has confirmed. */
interface Write {
  readonly id: number;
  /** The server's clock after it, microseconds since 1970. */
  readonly confirmedMicros: bigint;
}

for (const majorVersion of ["14", "18"]) {
  test(`P1, F4: PostgreSQL ${majorVersion} backed up under load is recovered with every write that it should hold`, async () => {
    await using servers = await ManagedServers.create();
    const source = new PostgresSourceDriver();
    const spec = await givenServer(servers, majorVersion);
    const address = servers.driver.internalAddress(servers.directoryOf("source"), spec);
    const reservation = "btar_test";
    await source.ensureReservation(address, { reservation, signal: noSignal });
    const log = await source.streamLog(address, { reservation, from: undefined, signal: noSignal });
    const events = collect(log);

    await using writer = new Writer(spec);
    await writer.until(20);
    const files = path.join(servers.root, "files");
    const facts = await source.takeBaseBackup(address, new DirectorySink(files), { label: "test", signal: noSignal });
    const consistentMicros = BigInt(facts.consistentAt.getTime()) * 1000n;
    await writer.until(writer.writes.length + 20);
    const middle = writer.writes.at(-1)?.confirmedMicros ?? 0n;
    await writer.until(writer.writes.length + 20);
    await writer.stop();
    const writes = writer.writes;
    const lastMicros = writes.at(-1)?.confirmedMicros ?? 0n;
    await until(() => events.caughtUpMicros > lastMicros);
    await log.close();
    await events.ended;
    await servers.driver.stop(servers.directoryOf("source"));

    const forked = async (name: string, target: RecoveryTarget) => {
      const directory = servers.directoryOf(name);
      const { pieces, contents } = events;
      const readPiece = async (piece: LogPieceRef) => contents.get(piece) ?? Buffer.alloc(0);
      const plan = await servers.driver.planRecovery({ facts, target, pieces, history: new Map(), readPiece });
      await copyTree(files, servers.driver.filesDirectory(directory));
      const restorer = servers.driver.logRestorer(servers.driver.filesDirectory(directory), facts, plan);
      for (const piece of plan.pieces) await restorer.write(piece.stream, piece.start, await readPiece(piece));
      await restorer.finish();
      const forkSpec = await specOf(name, majorVersion);
      const result = await servers.driver.recover(directory, forkSpec, { facts, plan, signal: noSignal });
      const rows = await query(adminOf(forkSpec), "select id from written order by id");
      await servers.driver.stop(directory);
      return { ids: rows.flat(), plan, result };
    };
    const confirmedBy = (micros: bigint) =>
      writes.filter((write) => write.confirmedMicros <= micros).map(({ id }) => id);

    const latest = await forked("latest", { kind: "latest" });
    assert.deepEqual(
      latest.ids,
      writes.map(({ id }) => id),
    );
    const atMiddle = await forked("middle", { kind: "time", atMicros: middle });
    assert.deepEqual(atMiddle.ids, confirmedBy(middle));
    assert.equal(atMiddle.result.lastCommitAt?.getTime(), Number((atMiddle.plan.lastCommitMicros ?? 0n) / 1000n));
    const earliest = await forked("earliest", { kind: "time", atMicros: consistentMicros });
    assert.ok(earliest.ids.length >= confirmedBy(consistentMicros).length);
    assert.ok(earliest.ids.length <= confirmedBy(consistentMicros).length + 1, "one may be confirmed a little later");
    const backupEnd = await forked("backup-end", { kind: "backup-end" });
    // A commit takes its time before it is written: one of that very moment may lie behind the backup's end.
    const confirmed = confirmedBy(consistentMicros).length;
    assert.ok(backupEnd.ids.length >= confirmed, "all that was confirmed when the backup was consistent");
    assert.ok(backupEnd.ids.length < latest.ids.length);
  });
}

test("F5: a fork is backed up and forked like any other server, tablespaces included", async () => {
  await using servers = await ManagedServers.create();
  const spec = await givenServer(servers, "18");
  await query(adminOf(spec), "insert into written values (1, 'first')");
  const fork = await forkedFromBackup(servers, { spec, name: "fork" });
  await query(adminOf(fork), "insert into written values (2, 'second')");
  const forkOfFork = await forkedFromBackup(servers, { spec: fork, name: "fork-of-fork" });
  assert.deepEqual(await query(adminOf(forkOfFork), "select id from written order by id"), [[1], [2]]);
});

/** Backs a server up, its log included, and makes a fork of it. */
async function forkedFromBackup(
  servers: ManagedServers,
  source: { readonly spec: ServerSpec; readonly name: string },
): Promise<ServerSpec> {
  const driver = new PostgresSourceDriver();
  const address = servers.driver.internalAddress(servers.directoryOf(source.name), source.spec);
  const reservation = "btar_test";
  await driver.ensureReservation(address, { reservation, signal: noSignal });
  const log = await driver.streamLog(address, { reservation, from: undefined, signal: noSignal });
  const events = collect(log);
  const directory = servers.directoryOf(source.name);
  const files = servers.driver.filesDirectory(directory);
  await mkdir(directory);
  const facts = await driver.takeBaseBackup(address, new DirectorySink(files), { label: "test", signal: noSignal });
  await until(() => (events.pieces.at(-1)?.end ?? "") >= facts.log.end);
  await log.close();
  await events.ended;
  const { pieces, contents } = events;
  const readPiece = async (piece: LogPieceRef) => contents.get(piece) ?? Buffer.alloc(0);
  const target = { kind: "backup-end" } as const;
  const plan = await servers.driver.planRecovery({ facts, target, pieces, history: events.history, readPiece });
  const restorer = servers.driver.logRestorer(files, facts, plan);
  for (const [stream, content] of events.history) await restorer.history(stream, content);
  for (const piece of plan.pieces) await restorer.write(piece.stream, piece.start, await readPiece(piece));
  await restorer.finish();
  const spec = await specOf(source.name, source.spec.majorVersion);
  await servers.driver.recover(directory, spec, { facts, plan, signal: noSignal });
  return spec;
}

async function givenServer(servers: ManagedServers, majorVersion: string): Promise<ServerSpec> {
  const { driver } = servers;
  const spec = await specOf("source", majorVersion);
  const directory = servers.directoryOf("source");
  await driver.initialize(directory, spec, { signal: noSignal });
  await driver.start(directory, spec, { signal: noSignal });
  const address = driver.internalAddress(directory, spec);
  await driver.putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await driver.createDatabase(address, { name: "defaultdb", owner: spec.accounts.admin.name });
  const tablespace = path.join(directory, "fast");
  await mkdir(tablespace);
  await ownByServerUser(tablespace);
  await query(internalOf(spec, "defaultdb"), `create tablespace fast location '${tablespace}'`);
  await query(internalOf(spec, "defaultdb"), "grant create on tablespace fast to avnadmin");
  await query(adminOf(spec), "create table written (id int primary key, text text) tablespace fast");
  return spec;
}

/** Writes one row after the other, each in a transaction of its own. */
class Writer implements AsyncDisposable {
  readonly writes: Write[] = [];
  readonly #run: Promise<void>;
  #isStopped = false;

  constructor(spec: ServerSpec) {
    this.#run = this.#write(spec);
  }

  async until(count: number): Promise<void> {
    await Promise.race([until(() => this.writes.length >= count), this.#run]);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #write(spec: ServerSpec): Promise<void> {
    await using client = await connect(adminOf(spec));
    for (let id = 1; !this.#isStopped; id += 1) {
      await client.query("insert into written values ($1, repeat('x', 500))", [id]);
      const now = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as micros";
      this.writes.push({ id, confirmedMicros: BigInt((await client.query(now)).rows[0].micros) });
      await systemClock.sleep(5);
    }
  }
}

/** Keeps a log stream as pieces. */
function collect(log: AsyncIterable<LogEvent>) {
  const collected = {
    pieces: [] as LogPieceRef[],
    contents: new Map<LogPieceRef, Buffer>(),
    history: new Map<string, Uint8Array>(),
    caughtUpMicros: 0n,
  };
  const run = async () => {
    let stream = "";
    for await (const event of log) {
      if (event.kind === "stream") {
        stream = event.stream;
        if (event.history) collected.history.set(stream, event.history);
      } else if (event.kind === "caught-up") collected.caughtUpMicros = BigInt(event.at.getTime()) * 1000n;
      else if (event.kind === "bytes") {
        const { start, end, newestCommitMicros } = event;
        const piece = { stream, start, end, newestCommitMicros };
        collected.pieces.push(piece);
        collected.contents.set(piece, Buffer.from(event.bytes));
      }
    }
  };
  return Object.assign(collected, { ended: run() });
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await promisify(execFile)("cp", ["-a", from, to]);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "the condition did not come true within 2 minutes");
    await systemClock.sleep(10);
  }
}
