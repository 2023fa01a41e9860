import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { DirectorySink } from "../support/directory-sink.ts";
import { LogRecorder, segmentsOf, sortable } from "../support/log-recorder.ts";
import { ownByServerUser, startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const run = promisify(execFile);
const driver = new PostgresSourceDriver();
const reservation = "btar";
const majorVersion = "18";
const segmentBytes = 16 * 1024 * 1024;
const signal = AbortSignal.timeout(500_000);

async function record(server: TestPostgres, from?: { stream: string; position: string }): Promise<LogRecorder> {
  return new LogRecorder(await driver.streamLog(server.address, { reservation, from, signal }));
}

async function writeAndRecord(server: TestPostgres, recorder: LogRecorder, write: string): Promise<void> {
  await server.sql(write);
  const lsn = (await server.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"];
  await recorder.untilPosition(sortable(lsn));
}

/** Stops the server, and lets it come back on a new timeline, as a promoted one does. */
async function promote(server: TestPostgres): Promise<void> {
  await server.stop();
  await writeFile(path.join(server.dataDirectory, "recovery.signal"), "");
  await server.start();
}

/** A copy of the stopped server as a second one with the same system identifier. */
async function copyOf(server: TestPostgres, context: TestContext): Promise<string> {
  const place = await temporaryDirectory(context);
  await run("cp", ["-a", server.dataDirectory, path.join(place, "data")]);
  return path.join(place, "data");
}

test("a promotion is followed, and base backup, old and new log together start as the promoted server", async (context) => {
  const settings = { restore_command: "false", hot_standby: "off" };
  await using server = await startPostgres({ majorVersion, settings });
  await driver.ensureReservation(server.address, { reservation, signal });
  const restored = path.join(await temporaryDirectory(context), "data");
  const facts = await driver.takeBaseBackup(server.address, new DirectorySink(restored), { label: "test", signal });
  const first = await record(server);
  await writeAndRecord(server, first, "create table t as select 1 as id");
  await first.close();
  await server.sql("insert into t values (2)"); // not stored yet when the server is promoted
  await promote(server);
  const second = await record(server, first.end);
  await second.until(({ streams }) => streams.length === 2);
  await writeAndRecord(server, second, "insert into t values (3)");
  await second.close();
  await server.sql("insert into t values (4)");
  await promote(server);
  const third = await record(server, second.end);
  await third.until(({ streams }) => streams.length === 2);
  await writeAndRecord(server, third, "insert into t values (5)");
  await third.close();

  const streams = [...first.streams, ...second.streams, ...third.streams];
  const names = streams.map(({ stream }) => stream.slice(-8));
  assert.deepEqual(names, ["00000001", "00000001", "00000002", "00000002", "00000003"]);
  const [, rest, next] = streams;
  // The new stream begins with the segment in which the old one was left.
  assert.ok(rest && next && next.start < rest.start && rest.start.startsWith(next.start.slice(0, 10)));
  assert.match(next.history?.toString() ?? "", /^1\t0\/[0-9A-F]+\t/);

  for (const timeline of ["00000001", "00000002", "00000003"]) {
    const parts = streams.filter(({ stream }) => stream.endsWith(timeline));
    const [begin] = parts;
    assert.ok(begin);
    const whole = { ...begin, pieces: parts.flatMap(({ pieces }) => pieces) };
    for (const [name, bytes] of segmentsOf(whole, segmentBytes))
      await writeFile(path.join(restored, "pg_wal", name), bytes);
    if (begin.history) await writeFile(path.join(restored, "pg_wal", `${timeline}.history`), begin.history);
  }
  assert.equal(facts.log.stream, streams[0]?.stream);
  await writeFile(path.join(restored, "recovery.signal"), "");
  await ownByServerUser(restored);
  await using fork = await startPostgres({ majorVersion, dataDirectory: restored, settings });
  assert.deepEqual(await fork.sql("select array_agg(id order by id)::text as ids from t"), [{ ids: "{1,2,3,4,5}" }]);
});

test("the promotion of a standby is followed without a new connection", async (context) => {
  await using primary = await startPostgres({ majorVersion });
  await primary.sql("create table t as select 1 as id");
  await primary.stop();
  const copy = await copyOf(primary, context);
  await writeFile(path.join(copy, "standby.signal"), "");
  await using standby = await startPostgres({ majorVersion, dataDirectory: copy });
  const recorder = await record(standby);
  await recorder.until(({ caughtUp }) => caughtUp !== undefined);
  const standbyEnd = recorder.end;
  await standby.sql("select pg_promote()");
  await writeAndRecord(standby, recorder, "insert into t values (2)");
  await recorder.close();
  assert.deepEqual(
    recorder.streams.map(({ stream }) => stream.slice(-8)),
    ["00000001", "00000002"],
  );
  assert.ok((recorder.streams[1]?.start ?? "") <= standbyEnd.position);
  assert.ok(recorder.newestCommitMicros > 0n);
});

test("a server that was promoted before the end of the stored log starts a new stream before it", async (context) => {
  const settings = { restore_command: "false", hot_standby: "off" };
  await using old = await startPostgres({ majorVersion, settings });
  await old.sql("create table t as select 1 as id");
  await old.stop();
  const copy = await copyOf(old, context);
  await old.start();
  const first = await record(old);
  await writeAndRecord(old, first, "insert into t select g from generate_series(1, 10000) g");
  await first.close();
  await old.stop();

  await writeFile(path.join(copy, "recovery.signal"), "");
  await using promoted = await startPostgres({ majorVersion, dataDirectory: copy, settings });
  const second = await record(promoted, first.end);
  await writeAndRecord(promoted, second, "insert into t values (2)");
  await second.close();
  assert.deepEqual(
    second.streams.map(({ stream }) => stream.slice(-8)),
    ["00000002"],
  );
  assert.ok((second.streams[0]?.start ?? "") < first.end.position);
});

test("P5: a server that was set back to an older copy of itself has a gap, not another database", async (context) => {
  await using server = await startPostgres({ majorVersion });
  await server.stop();
  const copy = await copyOf(server, context);
  await server.start();
  const recorder = await record(server);
  await writeAndRecord(server, recorder, "create table t as select g from generate_series(1, 10000) g");
  await recorder.close();
  await using older = await startPostgres({ majorVersion, dataDirectory: copy });
  const error = await rejectsWith("LOG_GAP", () => record(older, recorder.end));
  assert.equal(error.details["reason"], "server-behind");
});
