import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import type { ServerAddress, StoredLog } from "../../src/engine/engine.ts";
import { packPosition, unpackPosition } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { MysqlSourceDriver } from "../../src/engine/mysql/source-driver.ts";
import { parseStreamName } from "../../src/engine/mysql/stream-name.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { LogRecorder } from "../support/log-recorder.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import {
  assertSameFiles,
  endOfLog,
  newestCommit,
  RecordedBinlogs,
  serverBinlogs,
} from "../support/recorded-binlogs.ts";
import { eventually } from "../support/btar-process.ts";
import { stepsOf } from "../support/steps.ts";

const driver = new MysqlSourceDriver();
const reservation = "btar_test";
const signal = AbortSignal.timeout(500_000);

async function record(
  address: ServerAddress,
  from?: StoredLog,
  options: { readonly removesStored?: boolean } = {},
): Promise<LogRecorder> {
  return new LogRecorder(await driver.streamLog(address, { reservation, from, signal, ...options }));
}

/** Waits for all that the server has written so far, and gives it. */
async function recordedUntilNow(server: TestMysql, recorder: LogRecorder): Promise<RecordedBinlogs> {
  await recorder.untilPosition(await endOfLog(server));
  return new RecordedBinlogs(recorder.end.stream).add(recorder);
}

const table = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)";
const insert = "INSERT INTO d.t (v) VALUES ('x')";

describe("the log stream of MySQL", { concurrency: 2 }, () => {
  test("P2: all that a server logs comes byte for byte, whatever it is", async () => {
    await using server = await startMysql({
      settings: { max_allowed_packet: "64M", max_binlog_size: 1_048_576, binlog_cache_size: 8_388_608 },
    });
    const recorder = await record(server.address);
    await server.sql(table);
    for (let number = 0; number < 40; number += 1) await server.sql(`INSERT INTO d.t (v) VALUES (REPEAT('a', 60000))`);
    await server.sql("INSERT INTO d.t (v) VALUES (REPEAT('b', 20 * 1024 * 1024))");
    // Lengths around those where the protocol divides what it sends.
    for (const bytes of [16_777_215, 16_777_150, 16_777_100])
      await server.sql(`INSERT INTO d.t (v) VALUES (REPEAT('c', ${bytes}))`);
    await server.sql(
      "BEGIN; INSERT INTO d.t (v) SELECT v FROM d.t WHERE id <= 40; UPDATE d.t SET v = 'u' WHERE id < 9; COMMIT",
    );
    await server.sql(
      "SET SESSION binlog_transaction_compression = ON; INSERT INTO d.t (v) VALUES (REPEAT('d', 30000000))",
    );
    await server.sql(
      "SET GTID_NEXT = 'AUTOMATIC:app'; INSERT INTO d.t (v) VALUES ('tagged'); SET GTID_NEXT = 'AUTOMATIC'",
    );
    await server.sql("XA START 'x'; INSERT INTO d.t (v) VALUES ('xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'");
    await server.sql("FLUSH BINARY LOGS; SET GLOBAL binlog_checksum = NONE; CREATE TABLE d.u AS SELECT id FROM d.t");
    for (let number = 0; number < 30; number += 1) await server.sql(`INSERT INTO d.t (v) VALUES (REPEAT('e', 60000))`);
    await server.sql(
      "SET GLOBAL binlog_checksum = CRC32; DROP TABLE d.u; CREATE USER u; FLUSH BINARY LOGS; FLUSH BINARY LOGS",
    );
    await server.sql(insert);
    const recorded = await recordedUntilNow(server, recorder);
    const files = await serverBinlogs(server);
    assert.ok(files.size >= 10, `${files.size} files`);
    await assertSameFiles(recorded, server);

    const [first] = recorder.streams;
    const [{ uuid } = {}] = await server.sql("SELECT @@server_uuid AS uuid");
    const { serverUuid, generation } = parseStreamName(first?.stream ?? "");
    assert.equal(serverUuid, uuid);
    assert.equal(generation, files.get(1)?.readUInt32LE(4));
    assert.equal(first?.start, packPosition({ file: 1, offset: 0 }));
    assert.deepEqual(JSON.parse(first?.history?.toString() ?? ""), { binlogBaseName: "binlog" });
    const newest = [...files.values()].map((bytes) => newestCommit(bytes, 0));
    assert.equal(recorder.newestCommitMicros, BigInt(Math.max(...newest)));

    // The log of an idle server is told to go on, by the server's clock.
    const [{ now } = {}] = await server.sql("SELECT UNIX_TIMESTAMP(NOW(3)) AS now");
    await recorder.until(({ caughtUp }) => (caughtUp?.at.getTime() ?? 0) > Number(now) * 1000);
    assert.equal(recorder.caughtUp?.position, recorder.end.position);
    await recorder.close();
  });

  test("P2: a stream goes on from any byte of what is stored, and tells each commit that it completes", async (context) => {
    await using server = await startMysql({ settings: { max_allowed_packet: "64M" } });
    const recorder = await record(server.address);
    await server.sql(table);
    await server.sql("FLUSH BINARY LOGS");
    for (let number = 0; number < 10; number += 1) await server.sql(insert);
    await server.sql("INSERT INTO d.t (v) VALUES (REPEAT('b', 3000000))");
    await server.sql("BEGIN; INSERT INTO d.t (v) SELECT v FROM d.t; INSERT INTO d.t (v) SELECT v FROM d.t; COMMIT");
    for (let number = 0; number < 10; number += 1) await server.sql(insert);
    const all = await recordedUntilNow(server, recorder);
    await recorder.close();
    const { length } = all.bytesOf(2);
    const offsets = [0, 3, 4, 100, 127, 190, length - 31, length - 1, length];
    for (let number = 0; number < 10; number += 1) offsets.push(Math.floor(Math.random() * length));
    context.diagnostic(`offsets ${offsets.join(" ")}`);
    for (const offset of offsets) {
      const from = all.storedUntil(packPosition({ file: 2, offset }));
      const next = await record(server.address, from);
      await next.untilPosition(packPosition({ file: 2, offset: length }));
      const [stream] = next.streams;
      assert.equal(stream?.start, from.position);
      assert.ok(Buffer.concat(stream?.pieces ?? []).equals(all.bytesOf(2).subarray(offset)), `from ${offset}`);
      assert.equal(next.newestCommitMicros, BigInt(newestCommit(all.bytesOf(2), offset)), `from ${offset}`);
      await next.close();
    }
  });

  test("P2: the log goes on over restarts and crashes of the server, whose last files have no proper end", async () => {
    await using server = await startMysql();
    const alone = await stepsOf(async () => await server.stop());
    await server.start();
    let recorder = await record(server.address);
    await server.sql(table);
    const recorded = await recordedUntilNow(server, recorder);
    for (const stop of ["stop", "crash", "crash", "stop"] as const) {
      await server.sql(`${insert}; ${insert}`);
      await recorder.untilPosition(await endOfLog(server));
      const steps = await stepsOf(async () => await server[stop]());
      // The server would wait 8 s for a reader of its log that stays.
      assert.ok(steps < alone + 600, `${stop} took ${steps} steps, ${alone} without a reader`);
      const error = await recorder.outcome();
      await rejectsWith("SERVER_UNREACHABLE", () => Promise.reject(error as Error));
      await server.start();
      recorder = await record(server.address, recorded.add(recorder).stored());
    }
    await server.sql(insert);
    await recorder.untilPosition(await endOfLog(server));
    await recorder.close();
    await assertSameFiles(recorded.add(recorder), server, 2);
    assert.equal(recorded.files.length, 5);
  });

  test("P5: logs that were removed before they were stored are a gap, and the log begins anew behind it", async () => {
    await using server = await startMysql();
    const recorder = await record(server.address);
    await server.sql(table);
    const recorded = await recordedUntilNow(server, recorder);
    await recorder.close();
    await server.sql(`FLUSH BINARY LOGS; ${insert}; FLUSH BINARY LOGS; ${insert}`);
    await server.sql("PURGE BINARY LOGS TO 'binlog.000003'");
    const error = await rejectsWith("LOG_GAP", () => record(server.address, recorded.stored()));
    assert.equal(error.details["reason"], "removed");
    assert.match(error.message, /from binlog\.000001:\d+ on .* from binlog\.000003:0 on/);

    const anew = await record(server.address);
    await anew.untilPosition(await endOfLog(server));
    await anew.close();
    assert.equal(anew.streams[0]?.start, packPosition({ file: 3, offset: 0 }));
    await assertSameFiles(new RecordedBinlogs(anew.end.stream).add(anew), server);
  });

  test("P5: logs that were reset are other logs, before and after they have as many files and bytes again", async () => {
    await using server = await startMysql();
    await server.sql(table);
    await untilNextSecond();
    await server.sql("FLUSH BINARY LOGS");
    const recorder = await record(server.address);
    await server.sql(insert);
    const recorded = await recordedUntilNow(server, recorder);
    await untilNextSecond();
    await server.sql("RESET BINARY LOGS AND GTIDS");
    const ended = await recorder.outcome();
    assert.ok(ended instanceof Error, "the stream goes on");
    const fewer = await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () => record(server.address, recorded.stored()));
    assert.match(fewer.message, /binlog\.000001:\d+, do not go on .* binlog\.000002:\d+: they were reset/);
    await server.sql(`FLUSH BINARY LOGS; ${insert}; ${insert}; ${insert}`);
    await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () => record(server.address, recorded.stored()));

    const anew = await record(server.address);
    await anew.untilPosition(await endOfLog(server));
    await anew.close();
    assert.notEqual(anew.end.stream, recorded.stream);
  });

  test("P5: a stream notices that the file it reads was reset, though the server says nothing", async () => {
    await using server = await startMysql();
    const recorder = await record(server.address);
    await server.sql(table);
    await recorder.untilPosition(await endOfLog(server));
    await untilNextSecond();
    await server.sql("RESET BINARY LOGS AND GTIDS");
    const ended = await recorder.outcome();
    await rejectsWith("SERVER_UNREACHABLE", () => Promise.reject(ended as Error));
    const recorded = new RecordedBinlogs(recorder.end.stream).add(recorder);
    const error = await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () => record(server.address, recorded.stored()));
    assert.equal(error.details["reason"], "reset");
  });

  test("P5: log that a crashed server has lost is a gap", async () => {
    await using server = await startMysql();
    const recorder = await record(server.address);
    await server.sql(table);
    const before = unpackPosition(await endOfLog(server)).offset;
    await server.sql(insert);
    const recorded = await recordedUntilNow(server, recorder);
    await recorder.close();
    await server.crash();
    await truncate(path.join(server.dataDirectory, "binlog.000001"), before);
    await server.start();
    const error = await rejectsWith("LOG_GAP", () => record(server.address, recorded.stored()));
    assert.equal(error.details["reason"], "lost");
    assert.match(error.message, new RegExp(`binlog.000001:${before} is the end of a file`));
  });

  test("P5: another server at the same address is noticed", async () => {
    await using server = await startMysql();
    await using other = await startMysql();
    const recorder = await record(server.address);
    await server.sql(table);
    const recorded = await recordedUntilNow(server, recorder);
    await recorder.close();
    const error = await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () => record(other.address, recorded.stored()));
    assert.equal(error.details["stored"], parseStreamName(recorded.stream).serverUuid);
  });

  test("a server of btar's own loses only logs that are stored, after the time that its settings keep them", async () => {
    await using server = await startMysql({
      settings: { binlog_expire_logs_auto_purge: "OFF", binlog_expire_logs_seconds: 1 },
    });
    await server.sql(table);
    for (let number = 0; number < 3; number += 1) await server.sql(`FLUSH BINARY LOGS; ${insert}`);
    const names = async () => (await server.sql("SHOW BINARY LOGS")).map((row) => row["Log_name"]);
    const attached = await record(server.address);
    await attached.until(({ caughtUp }) => caughtUp !== undefined);
    await attached.close();
    assert.equal((await names()).length, 4);

    const { retainedBytes } = await driver.reservation(server.address, { signal });
    const stored = { position: packPosition({ file: 4, offset: 100 }) };
    const behind = await driver.reservation(server.address, { stored, signal });
    const [last] = (await server.sql("SHOW BINARY LOGS")).slice(-1);
    assert.equal(behind.retainedBytes, Number(last?.["File_size"]) - 100);
    assert.ok(retainedBytes > behind.retainedBytes);

    const recorder = await record(server.address, undefined, { removesStored: true });
    await eventually("earlier logs are removed", async () => (await names()).join() === "binlog.000004");
    await server.sql(`FLUSH BINARY LOGS; ${insert}`);
    await eventually("the closed one, too", async () => (await names()).join() === "binlog.000005");
    await recorder.untilPosition(await endOfLog(server));
    await recorder.close();
  });

  test("the log comes over TLS, too, and closing or cancelling a stream ends it at once", async () => {
    await using server = await startMysql();
    const address: ServerAddress = { ...server.address, tls: { mode: "require" } };
    const recorder = await record(address);
    await server.sql(table);
    const recorded = await recordedUntilNow(server, recorder);
    await assertSameFiles(recorded, server);
    assert.ok((await stepsOf(async () => await recorder.close())) < 100);

    const cancelling = new AbortController();
    const stream = await driver.streamLog(address, { reservation, from: recorded.stored(), signal: cancelling.signal });
    const cancelled = new LogRecorder(stream);
    await cancelled.until(({ caughtUp }) => caughtUp !== undefined);
    cancelling.abort(new Error("enough"));
    const error = await cancelled.outcome();
    await rejectsWith("CANCELLED", () => Promise.reject(error as Error));
    await server.stop();
  });
});

/** Files are told apart by the second in which they were made. */
async function untilNextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  await eventually("a second later", () => Promise.resolve(Math.floor(Date.now() / 1000) > second));
}
