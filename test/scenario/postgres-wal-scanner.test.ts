import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLsn, lsnFromSortable } from "../../src/domain/lsn.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { type TransactionEnd, WalScanner } from "../../src/engine/postgres/wal-scanner.ts";
import { LogRecorder, sortable } from "../support/log-recorder.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";

const driver = new PostgresSourceDriver();
const reservation = "btar";
const signal = AbortSignal.timeout(500_000);

/** Transactions of all kinds. Aborted: 100 of the loop, one to a savepoint, one at the end, and one prepared. */
async function write(server: TestPostgres): Promise<void> {
  await server.sql("create table t (id int, text text); alter table t alter text set storage external");
  await server.sql(`do $$ begin
    for i in 1..1000 loop
      insert into t values (i, repeat('x', case when i % 50 = 0 then 9000 else i % 300 end));
      if i % 10 = 0 then rollback; else commit; end if;
    end loop;
  end $$`);
  await server.sql(
    "begin; insert into t values (0); savepoint s; insert into t values (0); rollback to s; prepare transaction 'p'",
  );
  await server.sql("commit prepared 'p'");
  await server.sql("begin; insert into t values (0); prepare transaction 'q'");
  await server.sql("rollback prepared 'q'");
  // A record that spans many pages and part of a segment, and one with an origin in front of its time
  await server.sql("select pg_logical_emit_message(false, 'x', repeat('y', 3000000))");
  await server.sql(`select pg_replication_origin_create('o'); select pg_replication_origin_session_setup('o');
    begin; update t set text = '' where id = 1; commit`);
  await server.sql("select pg_switch_wal()");
  await server.sql("begin; delete from t where id = 2; rollback");
  await server.sql("insert into t values (1001)");
  await server.sql("delete from t where id = 1001");
}

for (const majorVersion of ["14", "18"] as const) {
  test(`commits and aborts are read from the WAL of PostgreSQL ${majorVersion} as the server knows them`, async () => {
    const settings = {
      track_commit_timestamp: "on",
      max_prepared_transactions: 2,
      wal_level: "logical",
      wal_keep_size: "1GB",
    };
    await using server = await startPostgres({ majorVersion, settings });
    if (majorVersion === "18") await server.sql("create extension pg_walinspect");
    await server.sql("select pg_switch_wal()");
    const start = (await server.sql("select pg_current_wal_insert_lsn()::text as lsn"))[0]?.["lsn"];
    const recorder = new LogRecorder(await driver.streamLog(server.address, { reservation, from: undefined, signal }));
    await write(server);
    const end = (await server.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"];
    await recorder.untilPosition(sortable(end));
    await recorder.close();

    const [recorded] = recorder.streams;
    assert.ok(recorded);
    const ends: TransactionEnd[] = [];
    const scanner = new WalScanner({
      start: lsnFromSortable(recorded.start),
      segmentBytes: 16 * 1024 * 1024,
      damageCode: "OBJECT_DAMAGED",
      onTransactionEnd: (transaction) => {
        if (transaction.start >= lsnFromSortable(sortable(start))) ends.push(transaction);
      },
    });
    for (const piece of recorded.pieces) scanner.feed(piece);
    const count = (kind: string, isPrepared: boolean) =>
      ends.filter((transaction) => transaction.kind === kind && transaction.isPrepared === isPrepared).length;
    assert.deepEqual([count("commit", true), count("abort", false), count("abort", true)], [1, 102, 1]);

    // Times: the newest change of each row that is left
    const times = await server.sql(
      `select distinct (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint::text as micros from t`,
    );
    const found = new Set(ends.filter(({ kind }) => kind === "commit").map(({ atMicros }) => String(atMicros)));
    assert.ok(times.length > 890);
    assert.deepEqual(
      times.filter(({ micros }) => !found.has(String(micros))),
      [],
    );

    if (majorVersion !== "18") return;
    const records = await server.sql(
      `select start_lsn::text as start, end_lsn::text as end, record_type as type from pg_get_wal_records_info($1, $2)
       where resource_manager = 'Transaction' and record_type ~ '^(COMMIT|ABORT)' order by start_lsn`,
      [start, end],
    );
    const read = ends.map((transaction) => ({
      start: formatLsn(transaction.start),
      end: formatLsn(transaction.end),
      type: `${transaction.kind.toUpperCase()}${transaction.isPrepared ? "_PREPARED" : ""}`,
    }));
    assert.deepEqual(read, records);
  });
}
