import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import type { FileSink, ServerAddress } from "../../src/engine/engine.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { LogRecorder, sortable } from "../support/log-recorder.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";

const driver = new PostgresSourceDriver();
const reservation = "btar";
const label = "test";
const majorVersion = "18";
const signal = AbortSignal.timeout(500_000);

/** A sink that keeps nothing. */
function sinkWith(actions: Partial<FileSink>): FileSink {
  const nothing = () => undefined;
  return { directory: nothing, beginFile: nothing, write: nothing, endFile: nothing, drained: nothing, ...actions };
}

async function record(address: ServerAddress, from?: { stream: string; position: string }): Promise<LogRecorder> {
  return new LogRecorder(await driver.streamLog(address, { reservation, from, signal }));
}

async function streamOf(server: TestPostgres): Promise<string> {
  const [control] = await server.sql("select system_identifier::text as id from pg_control_system()");
  return `${String(control?.["id"])}-00000001`;
}

/** Runs `write`, and waits until its log has been recorded. */
async function writeAndRecord(server: TestPostgres, recorder: LogRecorder, write: string): Promise<void> {
  await server.sql(write);
  const lsn = (await server.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"];
  await recorder.untilPosition(sortable(lsn));
}

describe("faults of a PostgreSQL server that is backed up", { concurrency: 3 }, () => {
  test("a server that is killed during a base backup ends the backup", async () => {
    await using server = await startPostgres({ majorVersion });
    await server.sql(
      "create table big as select g, repeat(md5(g::text), 100) as text from generate_series(1, 30000) g",
    );
    let crash: Promise<void> | undefined;
    // The server is killed in the middle, while we do not read.
    const drained = () => {
      crash ??= server.crash();
      return crash;
    };
    await rejectsWith("SERVER_UNREACHABLE", () =>
      driver.takeBaseBackup(server.address, sinkWith({ drained }), { label, signal }),
    );
  });

  test("a base backup can be cancelled, and a sink that fails ends it", async () => {
    await using server = await startPostgres({ majorVersion });
    const cancelling = new AbortController();
    const beginFile = () => cancelling.abort();
    await rejectsWith("CANCELLED", () =>
      driver.takeBaseBackup(server.address, sinkWith({ beginFile }), { label, signal: cancelling.signal }),
    );
    const full = new Error("no room");
    const drained = () => Promise.reject(full);
    await assert.rejects(driver.takeBaseBackup(server.address, sinkWith({ drained }), { label, signal }), full);
  });

  test("a damaged page is found by the server's checksums, and named", async () => {
    await using server = await startPostgres({ majorVersion });
    await server.sql("create table t as select g from generate_series(1, 5000) g; checkpoint");
    const file = String((await server.sql("select pg_relation_filepath('t') as path"))[0]?.["path"]);
    await server.stop();
    const table = await open(path.join(server.dataDirectory, file), "r+");
    await table.write(Buffer.from("damage"), 0, 6, 3 * 8192 + 4000);
    await table.close();
    await server.start();
    const error = await rejectsWith("SERVER_DATA_CORRUPT", () =>
      driver.takeBaseBackup(server.address, sinkWith({}), { label, signal }),
    );
    assert.match(error.message, new RegExp(`${file}", block 3`));
  });

  test("after a crash of the server, the log goes on where it ended", async () => {
    await using server = await startPostgres({ majorVersion, settings: { fsync: "on" } });
    const first = await record(server.address);
    await writeAndRecord(server, first, "create table t as select 1 as id");
    await server.crash();
    const outcome = await first.outcome();
    await rejectsWith("SERVER_UNREACHABLE", () => Promise.reject(outcome));
    await server.start();
    const second = await record(server.address, first.end);
    await writeAndRecord(server, second, "insert into t values (2)");
    assert.equal(second.streams[0]?.start, first.end.position);
    assert.ok(second.newestCommitMicros > first.newestCommitMicros);
    await second.close();
  });

  test("a log stream can be cancelled, and the slot is free at once", async () => {
    await using server = await startPostgres({ majorVersion });
    const cancelling = new AbortController();
    const options = { reservation, from: undefined, signal: cancelling.signal };
    const recorder = new LogRecorder(await driver.streamLog(server.address, options));
    await recorder.until(({ streams }) => streams.length > 0);
    cancelling.abort();
    await rejectsWith("CANCELLED", async () => Promise.reject(await recorder.outcome()));
    const next = await record(server.address);
    await next.close();
    await driver.dropReservation(server.address, { reservation, signal });
  });

  test("a slot that is dropped does no harm while the server still has the log", async () => {
    await using server = await startPostgres({ majorVersion });
    const first = await record(server.address);
    await writeAndRecord(server, first, "create table t as select 1 as id");
    await first.close();
    await driver.dropReservation(server.address, { reservation, signal });
    await server.sql("insert into t values (2)");
    const second = await record(server.address, first.end);
    await writeAndRecord(server, second, "insert into t values (3)");
    assert.equal(second.streams[0]?.start, first.end.position);
    await second.close();
    assert.equal((await driver.reservation(server.address, { reservation, signal })).exists, true);
  });

  test("P5: when the server has given up on the slot, the gap is named, and a new start goes on behind it", async () => {
    for (const version of ["14", "18"] as const) {
      await using server = await startPostgres({
        majorVersion: version,
        initdbArgs: ["--wal-segsize=1"],
        settings: { max_slot_wal_keep_size: "1MB", max_wal_size: "2MB", min_wal_size: "2MB" },
      });
      const first = await record(server.address);
      await writeAndRecord(server, first, "create table t as select 1 as id");
      await first.close();
      await server.sql("create table big as select g from generate_series(1, 100000) g");
      await server.sql("checkpoint");
      await server.sql("checkpoint");
      assert.equal((await driver.reservation(server.address, { reservation, signal })).isLost, true);
      const error = await rejectsWith("LOG_GAP", async () =>
        Promise.reject(await (await record(server.address, first.end)).outcome()),
      );
      assert.equal(error.details["reason"], "removed");
      assert.match(error.message, /from 0\/[0-9A-F]+ on before it was stored; it keeps WAL from 0\/[0-9A-F]+ on/);
      const second = await record(server.address);
      await writeAndRecord(server, second, "insert into t values (2)");
      assert.ok((second.streams[0]?.start ?? "") > first.end.position);
      await second.close();
    }
  });

  test("P5: another database behind the same address is refused", async () => {
    await using server = await startPostgres({ majorVersion });
    const recorder = await record(server.address);
    await recorder.until(({ caughtUp }) => caughtUp !== undefined);
    await recorder.close();
    await using other = await startPostgres({ majorVersion, initdbArgs: ["--data-checksums"] });
    const from = { ...recorder.end, position: "0000000001000000" };
    const error = await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () => record(other.address, from));
    assert.match(error.message, new RegExp(from.stream.slice(0, 19)));
  });

  test("a server that shuts down asks for the rest of its log to be stored, and is gone when it is", async () => {
    await using server = await startPostgres({ majorVersion });
    const stream = await driver.streamLog(server.address, { reservation, from: undefined, signal });
    let received = "";
    const reading = (async () => {
      for await (const event of stream) {
        if (event.kind === "bytes") {
          if (received === "") stream.acknowledge(event.end);
          received = event.end;
        } else if (event.kind === "flush-wanted") stream.acknowledge(received);
      }
    })();
    await server.sql("create table t as select 1 as id");
    const stopping = server.stop();
    const error = await rejectsWith("SERVER_UNREACHABLE", () => reading);
    // Had it to be left alone after a while, as in the next test, that would be told.
    assert.match(error.message, /it shuts down$/);
    await stopping;
    await server.start();
    const next = await record(server.address, { stream: await streamOf(server), position: received });
    await writeAndRecord(server, next, "insert into t values (2)");
    await next.close();
  });

  test("a server that shuts down is not held up for ever by log that cannot be stored", async () => {
    await using server = await startPostgres({ majorVersion });
    const stream = await driver.streamLog(server.address, { reservation, from: undefined, signal });
    const reading = (async () => {
      let isFirst = true;
      for await (const event of stream) {
        // The first piece is stored, the store is away for the others.
        if (event.kind === "bytes" && isFirst) {
          stream.acknowledge(event.end);
          isFirst = false;
        }
      }
    })();
    await server.sql("create table t as select 1 as id");
    const stopping = server.stop();
    const error = await rejectsWith("SERVER_UNREACHABLE", () => reading);
    assert.match(error.message, /shuts down.*was not stored in time/);
    await stopping;
  });
});
