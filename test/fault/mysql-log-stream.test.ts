import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { isBtarError } from "../../src/domain/errors.ts";
import type { ServerAddress, StoredLog } from "../../src/engine/engine.ts";
import { MysqlSourceDriver } from "../../src/engine/mysql/source-driver.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { LogRecorder } from "../support/log-recorder.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { assertSameFiles, endOfLog, RecordedBinlogs } from "../support/recorded-binlogs.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const driver = new MysqlSourceDriver();
const reservation = "btar_test";
const signal = AbortSignal.timeout(500_000);

const table = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)";
const insert = "INSERT INTO d.t (v) VALUES ('x')";

async function record(address: ServerAddress, from?: StoredLog): Promise<LogRecorder> {
  return new LogRecorder(await driver.streamLog(address, { reservation, from, signal }));
}

/** Everything that the server has logged, with as many streams as it takes. */
async function recordThrough(
  address: ServerAddress,
  recorded: RecordedBinlogs,
  end: string,
): Promise<{ readonly streams: number }> {
  for (let streams = 1; ; streams += 1) {
    try {
      const recorder = await record(address, recorded.stored());
      await recorder.untilPosition(end).catch(() => undefined);
      await recorder.close();
      if (recorder.streams.length > 0) recorded.add(recorder);
      if (recorded.stored().position >= end) return { streams };
    } catch (error) {
      if (!isBtarError(error, "SERVER_UNREACHABLE")) throw error;
    }
  }
}

async function beginning(server: TestMysql): Promise<RecordedBinlogs> {
  const recorder = await record(server.address);
  await server.sql(table);
  await recorder.untilPosition(await endOfLog(server));
  await recorder.close();
  return new RecordedBinlogs(recorder.end.stream).add(recorder);
}

describe("faults of a MySQL server whose log is stored", { concurrency: 2 }, () => {
  test("a connection that breaks anywhere, again and again, costs nothing of the log", async (context) => {
    await using server = await startMysql({ settings: { max_allowed_packet: "64M", max_binlog_size: 2_097_152 } });
    await using proxy = await TcpProxy.start(server.address.port);
    const recorded = await beginning(server);
    for (const bytes of [40, 900_000, 5_000_000, 200, 17_000_000]) {
      await server.sql(`INSERT INTO d.t (v) VALUES (REPEAT('a', ${bytes})); ${insert}`);
    }
    await server.sql("INSERT INTO d.t (v) SELECT v FROM d.t; FLUSH BINARY LOGS");
    await server.sql(insert);
    const end = await endOfLog(server);
    const address = { ...server.address, port: proxy.port };
    const cuts = Array.from({ length: 12 }, () => randomInt(100, 30_000_000));
    context.diagnostic(`cut after ${cuts.join(" ")}`);
    for (const bytes of cuts) {
      proxy.limitAnswers(bytes, "cut-once");
      const recorder = await record(address, recorded.stored()).catch((error: unknown) => {
        if (!isBtarError(error, "SERVER_UNREACHABLE")) throw error;
        return undefined;
      });
      await recorder?.untilPosition(end).catch(() => undefined);
      await recorder?.close();
      if (recorder && recorder.streams.length > 0) recorded.add(recorder);
    }
    proxy.unlimited();
    await recordThrough(address, recorded, end);
    await assertSameFiles(recorded, server);
  });

  test("P2: a server that is killed while it writes loses nothing of what it has told anybody", async () => {
    await using server = await startMysql();
    const recorded = await beginning(server);
    for (let round = 0; round < 2; round += 1) {
      const recorder = await record(server.address, recorded.stored());
      const writer = async () => {
        for (;;) await server.sql(`${insert}; ${insert}; BEGIN; ${insert}; ${insert}; COMMIT`);
      };
      const writing = Promise.allSettled(Array.from({ length: 4 }, writer));
      await recorder.until(({ newestCommitMicros, streams }) => newestCommitMicros > 0n && pieces(streams) > 20);
      await server.crash();
      await writing;
      assert.ok((await recorder.outcome()) instanceof Error);
      recorded.add(recorder);
      await server.start();
    }
    const { streams } = await recordThrough(server.address, recorded, await endOfLog(server));
    assert.equal(streams, 1);
    await assertSameFiles(recorded, server);
  });

  test("a connection that is killed ends the stream, and one whose rights were taken away does not begin, with the reason", async () => {
    await using server = await startMysql();
    await server.sql(
      "CREATE USER reader IDENTIFIED BY 'secret'; GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader",
    );
    const recorded = await beginning(server);
    const address = { ...server.address, user: "reader", password: "secret" };
    const killed = await record(address, recorded.stored());
    await killed.until(({ caughtUp }) => caughtUp !== undefined);
    const [dump] = await server.sql(
      "SELECT MAX(id) AS id FROM performance_schema.processlist WHERE command LIKE 'Binlog%'",
    );
    await server.sql(`KILL ${String(dump?.["id"])}`);
    await rejectsWith("SERVER_UNREACHABLE", async () => Promise.reject((await killed.outcome()) as Error));

    // Rights count from the next connection on.
    await server.sql("REVOKE REPLICATION CLIENT ON *.* FROM reader");
    const refused = await rejectsWith("SERVER_REFUSED", () => record(address, recorded.stored()));
    assert.equal(refused.details["errno"], 1227);
    await server.sql("GRANT REPLICATION CLIENT ON *.* TO reader");
    await server.sql(insert);
    await recordThrough(address, recorded, await endOfLog(server));
    await assertSameFiles(recorded, server);
  });

  test("a stream that nobody takes from holds up neither the server nor its writers, and goes on when somebody does", async () => {
    await using server = await startMysql({ settings: { max_allowed_packet: "64M" } });
    const recorded = await beginning(server);
    const stream = await driver.streamLog(server.address, { reservation, from: recorded.stored(), signal });
    for (let number = 0; number < 6; number += 1)
      await server.sql("INSERT INTO d.t (v) VALUES (REPEAT('a', 20000000))");
    await server.sql("FLUSH BINARY LOGS");
    const recorder = new LogRecorder(stream);
    await recorder.untilPosition(await endOfLog(server));
    await recorder.close();
    await assertSameFiles(recorded.add(recorder), server);
  });

  test("of two streams for one service, the later one goes on, and the other ends", async () => {
    await using server = await startMysql();
    const recorded = await beginning(server);
    const earlier = await record(server.address, recorded.stored());
    await earlier.until(({ caughtUp }) => caughtUp !== undefined);
    const later = await record(server.address, recorded.stored());
    assert.ok((await earlier.outcome()) instanceof Error);
    await server.sql(insert);
    await later.untilPosition(await endOfLog(server));
    await later.close();
    await assertSameFiles(recorded.add(later), server);
  });
});

function pieces(streams: LogRecorder["streams"]): number {
  return streams.reduce((sum, stream) => sum + stream.pieces.length, 0);
}
