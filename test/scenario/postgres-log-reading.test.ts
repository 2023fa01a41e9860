import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import type { BaseBackupFacts } from "../../src/engine/engine.ts";
import type { LoggedTransaction, LogReadingResult } from "../../src/engine/log-reading.ts";
import { PostgresLogReadingDriver } from "../../src/engine/postgres/log-reading/log-reading-driver.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { LogRecorder, type RecordedStream, segmentsOf, sortable } from "../support/log-recorder.ts";
import { type PostgresVersion, startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { mulberry32 } from "../support/random-numbers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const driver = new PostgresLogReadingDriver();
const source = new PostgresSourceDriver();
const reservation = "btar";
const signal = AbortSignal.timeout(500_000);
const segmentBytes = 16 * 1024 * 1024;

function factsOf({ stream, start }: RecordedStream): BaseBackupFacts {
  return {
    identity: { version: "18.0", majorVersion: "18", systemId: "1" },
    log: { stream, start, end: start },
    startedAt: new Date(),
    consistentAt: new Date(),
    engineFacts: { walSegmentBytes: segmentBytes, tablespaces: [] },
  };
}

async function recordAll(server: TestPostgres, write: () => Promise<void>): Promise<RecordedStream> {
  const recorder = new LogRecorder(await source.streamLog(server.address, { reservation, from: undefined, signal }));
  await write();
  const end = (await server.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"];
  await recorder.untilPosition(sortable(end));
  await recorder.close();
  const [recorded] = recorder.streams;
  assert.ok(recorded);
  return recorded;
}

/** Reads what was recorded, in parts of any size that overlap, from a place on. */
async function read(
  recorded: RecordedStream,
  position: string,
  options: { readonly directory?: string; readonly leftOut?: { readonly from: string; readonly to: string } } = {},
): Promise<{ readonly transactions: readonly LoggedTransaction[]; readonly result: LogReadingResult }> {
  const facts = factsOf(recorded);
  const transactions: LoggedTransaction[] = [];
  const reader = driver.reader({
    facts,
    directory: options.directory,
    onTransaction: (transaction) => transactions.push(transaction),
    readAt: async () => undefined,
  });
  const stop = { stream: recorded.stream, position };
  const { legs } = driver.route({ stop, facts, streams: [recorded], history: new Map() });
  for (const leg of legs) await reader.begin(leg, undefined);
  const bytes = Buffer.concat(recorded.pieces);
  const begin = BigInt(`0x${recorded.start}`);
  const random = mulberry32(7);
  const text = (offset: number) => sortable(`0/${(begin + BigInt(offset)).toString(16)}`);
  for (let offset = 0; offset < bytes.length; ) {
    const [from, to] = [Math.max(0, offset - Math.floor(random() * 500)), offset + 1 + Math.floor(random() * 200_000)];
    const part = bytes.subarray(from, to);
    const [start, end] = [text(from), text(from + part.length)];
    const isLeftOut = options.leftOut && start < options.leftOut.to && end > options.leftOut.from;
    if (!isLeftOut) await reader.feed({ start, end, bytes: part, from: "store" });
    offset = to;
  }
  return { transactions, result: await reader.finish() };
}

/** Statements, each (lines: together) one transaction, with what they change of tables of people: inserted, updated, deleted rows. */
const statements: readonly (readonly [string, Readonly<Record<string, readonly [number, number, number]>>])[] = [
  ["insert into t select i, 'x' from generate_series(1, 500) i", { t: [500, 0, 0] }],
  ["update t set note = note || 'y' where id between 1 and 100", { t: [0, 100, 0] }],
  ["update t set id = id + 1000 where id between 101 and 110", { t: [0, 10, 0] }],
  ["delete from t where id between 1 and 50", { t: [0, 0, 50] }],
  ["create table made as select i as id from generate_series(1, 700) i", { made: [700, 0, 0] }],
  ["insert into t values (60, 'again') on conflict (id) do update set note = 'again'", { t: [0, 1, 0] }],
  [
    "begin; insert into t values (2000, 'a'); savepoint s; insert into t values (2001, 'b'); delete from other where id = 1; rollback to s; savepoint s2; insert into other values (50); release s2; commit",
    { t: [1, 0, 0], other: [1, 0, 0] },
  ],
  [
    "begin; insert into t values (3000, 'p'); insert into other values (51); prepare transaction 'p'\ncommit prepared 'p'",
    { t: [1, 0, 0], other: [1, 0, 0] },
  ],
  ["truncate emptied", {}],
  ["insert into parts values (1, 1), (2, 2), (3, 1)", { parts_1: [2, 0, 0], parts_2: [1, 0, 0] }],
  // A row that moves to another partition is deleted here and inserted there.
  ["update parts set part = 2 where id = 1", { parts_1: [0, 0, 1], parts_2: [1, 0, 0] }],
  ["update large set note = repeat(md5(random()::text), 3000) where id = 1", { large: [0, 1, 0] }],
  ["begin; select from t where id = 60 for update; commit", {}],
  ["drop table made", {}],
];

async function prepare(server: TestPostgres): Promise<void> {
  await server.sql(`
    create table t (id int primary key, note text); create table other (id int); create table emptied (id int); insert into emptied values (1); insert into other values (1);
    create table parts (id int, part int) partition by list (part);
    create table parts_1 partition of parts for values in (1); create table parts_2 partition of parts for values in (2);
    create table large (id int, note text); alter table large alter note set storage external;
    insert into large values (1, '')`);
  await server.sql("checkpoint"); // notes which transactions run
}

for (const majorVersion of ["14", "15", "16", "17", "18"] as const satisfies readonly PostgresVersion[]) {
  test(`transactions are read from the WAL of PostgreSQL ${majorVersion} with the rows that they changed, by table`, async (context) => {
    const settings = { max_prepared_transactions: 2, wal_compression: majorVersion === "14" ? "on" : "pglz" };
    await using server = await startPostgres({ majorVersion, settings });
    await prepare(server);
    let stop = "";
    const recorded = await recordAll(server, async () => {
      await server.sql("insert into t values (-1, 'before')");
      stop = sortable((await server.sql("select pg_current_wal_insert_lsn()::text as lsn"))[0]?.["lsn"]);
      await server.sql("begin; insert into t values (-2, 'never'); rollback");
      for (const [text] of statements) for (const line of text.split("\n")) await server.sql(line);
      await server.sql("select pg_switch_wal()");
      await server.sql("delete from t where id = -1");
    });
    const directory = await temporaryDirectory(context);
    const { transactions, result } = await read(recorded, stop, { directory });
    assert.deepEqual(result.holes, []);
    await using names = driver.tableNames(server.address, { signal });
    const seen = [];
    for (const transaction of transactions) {
      assert.equal(transaction.isPartial, false);
      const found = await names.find(transaction.tables.map(({ table }) => table));
      const rows: Record<string, readonly [number, number, number]> = {};
      for (const { table, inserts, updates, deletes } of transaction.tables) {
        const name = found.get(table);
        if (name?.kind === "table" && inserts + updates + deletes > 0) {
          rows[name.name.replace("postgres.public.", "")] = [inserts, updates, deletes];
        }
      }
      seen.push(rows);
    }
    assert.equal(names.trouble, undefined);
    // The table that was dropped has no name any more; its rows are told by number.
    const expected = statements.map(([text, rows]) => (text.startsWith("create table made") ? {} : rows));
    assert.deepEqual(seen, [...expected, { t: [0, 0, 1] }]);
    const made = transactions[4]?.tables.find(({ inserts }) => inserts === 700);
    assert.match(made?.table ?? "", /^1663\/\d+\/\d+$/);
    const truncated = transactions[8]?.tables ?? [];
    assert.ok(truncated.some(({ isMade }) => isMade) && truncated.some(({ isDropped }) => isDropped));
    assert.ok(transactions.at(-2)?.tables.some(({ table, isDropped }) => isDropped && table === made?.table));

    // Segments as the server has them
    const segments = segmentsOf(recorded, segmentBytes);
    assert.deepEqual(
      result.files,
      [...segments.keys()].sort().map((name) => `wal/${name}`),
    );
    for (const [name, bytes] of segments) {
      assert.ok(bytes.equals(await readFile(path.join(directory, "wal", name))), `segment ${name}`);
    }
  });
}

test("log that is missing is told as a hole, and what goes on behind it as counted in part", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await prepare(server);
  const lsn = async () => sortable((await server.sql("select pg_current_wal_insert_lsn()::text as lsn"))[0]?.["lsn"]);
  let [stop, from, to] = ["", "", ""];
  const recorded = await recordAll(server, async () => {
    stop = await lsn();
    await server.sql("insert into t select i, repeat('x', 1000) from generate_series(1, 2000) i");
    from = await lsn();
    await server.sql("insert into t select i, repeat('x', 1000) from generate_series(2001, 4000) i");
    to = await lsn();
    await server.sql("insert into t select i, repeat('x', 1000) from generate_series(4001, 4100) i");
    await server.sql("checkpoint");
    await server.sql("insert into t select i, repeat('x', 1000) from generate_series(4101, 6000) i");
  });
  const { transactions, result } = await read(recorded, stop, { leftOut: { from, to } });
  assert.equal(result.holes.length, 1);
  const [hole] = result.holes;
  assert.ok(hole && hole.start <= from && hole.end >= to);
  assert.match(hole.what, /^WAL from 0\/[0-9A-F]+ to 0\/[0-9A-F]+ is missing$/);
  const rows = transactions.map(({ tables, isPartial }) => [tables[0]?.inserts ?? 0, isPartial]);
  assert.deepEqual(rows.at(-1), [1900, false]);
  assert.ok(
    rows.slice(1, -1).every(([, isPartial]) => isPartial === true),
    JSON.stringify(rows),
  );
});

test("what a server holds beyond the stored log is read from it, through a promotion, without its slot", async (context) => {
  const settings = { restore_command: "false", hot_standby: "off", max_wal_senders: 2 };
  await using server = await startPostgres({ majorVersion: "18", settings });
  await prepare(server);
  const first = new LogRecorder(await source.streamLog(server.address, { reservation, from: undefined, signal }));
  await server.sql("insert into t values (1, 'stored')");
  await first.untilPosition(sortable((await server.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"]));
  await first.close();
  await server.sql("insert into t values (2, 'on the server only')");
  await server.stop();
  await writeFile(path.join(server.dataDirectory, "recovery.signal"), "");
  await server.start();
  await server.sql("insert into t values (3, 'on its new timeline'); insert into t values (4, 'and another')");
  // The archiver has the slot meanwhile.
  const archiver = new LogRecorder(await source.streamLog(server.address, { reservation, from: first.end, signal }));
  await archiver.until(({ streams }) => streams.length === 2);

  const [stored] = first.streams;
  assert.ok(stored);
  const transactions: LoggedTransaction[] = [];
  const facts = factsOf(stored);
  const directory = await temporaryDirectory(context);
  const onTransaction = (transaction: LoggedTransaction) => transactions.push(transaction);
  const reader = driver.reader({ facts, directory, onTransaction, readAt: async () => undefined });
  const history = new Map<string, Buffer>();
  const streams = [stored];
  const legs = () => driver.route({ stop: first.end, facts, streams, history }).legs;
  const [own] = legs();
  assert.ok(own);
  await reader.begin(own, undefined);
  await reader.feed({
    start: stored.start,
    end: first.end.position,
    bytes: Buffer.concat(stored.pieces),
    from: "store",
  });
  for await (const part of driver.readUnstored(server.address, { from: first.end, signal })) {
    if (part.kind === "bytes") await reader.feed(part);
    else {
      streams.push({ ...stored, stream: part.stream });
      if (part.history) history.set(part.stream, part.history);
      const leg = legs().find(({ stream }) => stream === part.stream);
      assert.ok(leg);
      await reader.begin(leg, part.history);
    }
  }
  const result = await reader.finish();
  await archiver.close();
  assert.deepEqual(result.holes, []);
  const touched = transactions.filter(({ tables }) => tables.length > 0);
  assert.deepEqual(
    touched.map(({ from, place, tables }) => [from, place.stream.slice(-1), tables[0]?.inserts]),
    [
      ["server", "1", 1],
      ["server", "2", 2],
    ],
  );
  assert.ok(result.serverBytes > 0 && result.storedBytes === 0);
  // What the server itself has of these segments, up to where it was read
  for (const file of result.files) {
    const [read, there] = [path.join(directory, file), path.join(server.dataDirectory, "pg_wal", path.basename(file))];
    if (file.endsWith(".history")) assert.deepEqual(await readFile(read), await readFile(there));
  }
  assert.deepEqual(
    result.files.map((file) => file.replace(/^.*(?:\.history|\d{8})$/, (name) => name.slice(4, 12))),
    ["00000001", "00000002", "00000002"],
  );
});
