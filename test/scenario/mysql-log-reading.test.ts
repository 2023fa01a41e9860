import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { BaseBackupFacts } from "../../src/engine/engine.ts";
import type { LoggedTransaction, LogReadingResult } from "../../src/engine/log-reading.ts";
import { packPosition, unpackPosition } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { MysqlLogReadingDriver } from "../../src/engine/mysql/log-reading/log-reading-driver.ts";
import { MysqlSourceDriver } from "../../src/engine/mysql/source-driver.ts";
import { parseStreamName } from "../../src/engine/mysql/stream-name.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { eventually } from "../support/btar-process.ts";
import { LogRecorder, type RecordedStream } from "../support/log-recorder.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { mulberry32 } from "../support/random-numbers.ts";
import { endOfLog, RecordedBinlogs } from "../support/recorded-binlogs.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const run = promisify(execFile);
const driver = new MysqlLogReadingDriver();
const source = new MysqlSourceDriver();
const reservation = "btar";
const signal = AbortSignal.timeout(500_000);

const facts: BaseBackupFacts = {
  identity: { version: "9.7.4", majorVersion: "9.7", systemId: "" },
  log: { stream: "", start: "", end: "" },
  startedAt: new Date(),
  consistentAt: new Date(),
  engineFacts: {},
};

/** @param write is given what waits until all so far is recorded, and tells where that ends: a part of the log ends there */
async function recordAll(
  server: TestMysql,
  write: (recorded: () => Promise<string>) => Promise<void>,
): Promise<LogRecorder> {
  const recorder = new LogRecorder(await source.streamLog(server.address, { reservation, from: undefined, signal }));
  const recorded = async () => {
    const end = await endOfLog(server);
    await recorder.untilPosition(end);
    return end;
  };
  await write(recorded);
  await recorded();
  await recorder.close();
  return recorder;
}

interface ReadOptions {
  readonly directory?: string;
  /** Parts that begin within are not given. */
  readonly leftOut?: { readonly from: string; readonly to: string };
}

/** Reads what was recorded from a place on, in parts of any size, some of which come twice. */
async function read(
  recorded: RecordedStream,
  position: string,
  { directory, leftOut }: ReadOptions = {},
): Promise<{ readonly transactions: readonly LoggedTransaction[]; readonly result: LogReadingResult }> {
  const transactions: LoggedTransaction[] = [];
  const random = mulberry32(11);
  const { stream, pieces, starts } = recorded;
  const beginnings = new Map(starts.map((start, index) => [start, pieces[index]]));
  const onTransaction = (transaction: LoggedTransaction) => transactions.push(transaction);
  await using reader = driver.reader({
    facts,
    directory,
    onTransaction,
    readAt: async (at) => beginnings.get(at.position),
  });
  const [leg] = driver.route({ stop: { stream, position }, streams: [recorded] }).legs;
  assert.ok(leg);
  await reader.begin(leg, recorded.history);
  for (const [index, piece] of pieces.entries()) {
    const { file, offset } = unpackPosition(starts[index] ?? "");
    const next = starts[index + 1];
    const end = next === undefined ? packPosition({ file, offset: offset + piece.length }) : next;
    for (let at = 0; at <= piece.length; ) {
      const to = Math.min(piece.length, at + 1 + Math.floor(random() * 40_000));
      const from = Math.max(0, at - Math.floor(random() * 300));
      const start = packPosition({ file, offset: offset + from });
      const isLeftOut = leftOut && start < leftOut.to && start >= leftOut.from;
      const endOfPart = to === piece.length ? end : packPosition({ file, offset: offset + to });
      if (!isLeftOut) await reader.feed({ start, end: endOfPart, bytes: piece.subarray(from, to), from: "store" });
      at = to === piece.length ? to + 1 : to;
    }
  }
  return { transactions, result: await reader.finish() };
}

const allTypes = `CREATE TABLE s.types (id INT PRIMARY KEY AUTO_INCREMENT, a TINYINT, b SMALLINT, c MEDIUMINT, d BIGINT,
  e DECIMAL(65,30), f DECIMAL(5,0), g FLOAT, h DOUBLE, i BIT(1), j BIT(64), k DATE, l TIME, m TIME(6), n DATETIME,
  o DATETIME(3), p TIMESTAMP NULL, q TIMESTAMP(6) NULL, r YEAR, s CHAR(10), t CHAR(255) CHARACTER SET utf8mb4,
  u VARCHAR(10), v VARCHAR(5000), w BINARY(16), x VARBINARY(300), y TINYBLOB, z BLOB, aa MEDIUMBLOB, ab LONGTEXT,
  ac ENUM('x','y'), ad SET('a','b','c'), ae JSON, af GEOMETRY, ag VECTOR(3), ah INT GENERATED ALWAYS AS (a + 1) STORED)`;

const values = `(NULL, 1, 2, 3, 4, 5.5, 6, 7.7, 8.8, b'1', b'1010', '2026-01-01', '10:00:00', '10:00:00.123456',
  '2026-01-01 10:00:00', '2026-01-01 10:00:00.123', '2026-01-01 10:00:00', '2026-01-01 10:00:00.123456', 2026, 's',
  REPEAT('ü', 200), 'u', REPEAT('v', 4000), 'w', REPEAT('x', 300), 'y', REPEAT('z', 1000), REPEAT('a', 100000),
  REPEAT('b', 70000), 'y', 'a,c', JSON_OBJECT('k', JSON_ARRAY(1, 2, 3), 'l', REPEAT('j', 300)), POINT(1, 2),
  TO_VECTOR('[1,2,3]'), DEFAULT)`;
const nothing = `(NULL${", NULL".repeat(33)}, DEFAULT)`;

type Rows = Readonly<Record<string, readonly [number, number, number]>>;

/** Each one transaction, with the inserted, updated and deleted rows by table. */
const changes: readonly (readonly [string, Rows])[] = [
  [`INSERT INTO s.types VALUES ${values}, ${nothing}, ${values}`, { "s.types": [3, 0, 0] }],
  [
    "UPDATE s.types SET a = 9, ab = REPEAT('c', 200000), ae = JSON_SET(COALESCE(ae, '{}'), '$.k', 7)",
    { "s.types": [0, 3, 0] },
  ],
  ["DELETE FROM s.types WHERE id = 2", { "s.types": [0, 0, 1] }],
  [
    "INSERT INTO s.t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT('x', 90) FROM n",
    { "s.t": [900, 0, 0] },
  ],
  [
    "BEGIN; INSERT INTO s.t VALUES (1001, 'a'); UPDATE s.t SET note = 'b' WHERE id BETWEEN 1 AND 10; DELETE FROM s.`odd.name`; COMMIT",
    { "s.t": [1, 10, 0], "s.`odd.name`": [0, 0, 2] },
  ],
  ["REPLACE INTO s.t VALUES (1, 'again')", { "s.t": [0, 1, 0] }],
  ["INSERT INTO s.wide () VALUES ()", { "s.wide": [1, 0, 0] }],
  ["INSERT INTO s.arrays VALUES (1, '{\"a\": [1, 2, 3]}'), (2, '{\"a\": []}')", { "s.arrays": [2, 0, 0] }],
];

async function prepare(server: TestMysql): Promise<void> {
  const columns = Array.from({ length: 300 }, (_, index) => `c${index} INT DEFAULT ${index}`).join(", ");
  await server.sql(`CREATE DATABASE s; ${allTypes}; CREATE TABLE s.t (id INT PRIMARY KEY, note VARCHAR(100));
    CREATE TABLE s.\`odd.name\` (id INT); INSERT INTO s.\`odd.name\` VALUES (1), (2); CREATE TABLE s.wide (${columns});
    CREATE TABLE s.arrays (id INT PRIMARY KEY, j JSON, INDEX values_of_a ((CAST(j->'$.a' AS UNSIGNED ARRAY))))`);
}

function rowsOf(transaction: LoggedTransaction): Rows {
  return Object.fromEntries(
    transaction.tables.map(({ table, inserts, updates, deletes }) => [table, [inserts, updates, deletes]]),
  );
}

const modes = [
  { name: "as it comes", settings: {} },
  { name: "compressed", settings: { binlog_transaction_compression: "ON" } },
  {
    name: "with the least of rows, and parts of documents",
    settings: { binlog_row_image: "MINIMAL", binlog_row_value_options: "PARTIAL_JSON" },
  },
  { name: "without checksums", settings: { binlog_checksum: "NONE" } },
] as const;

for (const { name, settings } of modes) {
  test(`transactions are read from binary logs ${name}, with the rows that they changed, by table`, async (context) => {
    await using server = await startMysql({ settings });
    await prepare(server);
    let stop = "";
    const recorder = await recordAll(server, async () => {
      await server.sql("INSERT INTO s.t VALUES (-1, 'before')");
      stop = await endOfLog(server);
      for (const [index, [text]] of changes.entries()) {
        await server.sql(text);
        if (index === 3) await server.sql("FLUSH BINARY LOGS");
      }
      await server.sql("USE s; CREATE TABLE made (id INT); TRUNCATE TABLE made");
    });
    const [recorded] = recorder.streams;
    assert.ok(recorded);
    const directory = await temporaryDirectory(context);
    const { transactions, result } = await read(recorded, stop, { directory });
    assert.deepEqual(result.holes, []);
    const last = transactions.slice(changes.length);
    assert.deepEqual(
      last.flatMap(({ statements }) => statements),
      ["/* s */ CREATE TABLE made (id INT)", "/* s */ TRUNCATE TABLE made"],
    );
    for (const [index, [text, rows]] of changes.entries()) {
      const transaction = transactions[index];
      assert.ok(transaction, text);
      // A row of which no value is logged takes no room: there may be more of them.
      const isPartial = "binlog_row_image" in settings && "s.wide" in rows;
      assert.deepEqual([rowsOf(transaction), transaction.isPartial], [rows, isPartial], text);
    }
    assert.equal(transactions.length, changes.length + 2);

    // What MySQL's own program reads in the files is the same.
    assert.deepEqual(result.files, ["binlog/binlog.000001", "binlog/binlog.000002"]);
    const files = result.files.map((file) => path.join(directory, file));
    const { stdout, stderr } = await run(
      path.join(server.basedir, "bin/mysqlbinlog"),
      ["--no-defaults", "--verify-binlog-checksum", ...files],
      {
        maxBuffer: 256 * 1024 * 1024,
      },
    );
    assert.equal(stderr, "");
    const gtids = [...stdout.matchAll(/GTID_NEXT= '([0-9a-f-]+:\d+)'/g)].map(([, gtid]) => gtid);
    assert.deepEqual(
      gtids,
      transactions.map(({ id }) => id),
    );
  });
}

test("binary log that is missing is told as a hole, up to the next file, and the last file ends with what is whole", async (context) => {
  await using server = await startMysql();
  await prepare(server);
  let [stop, from, to] = ["", "", ""];
  const insert = async (id: number) => await server.sql("INSERT INTO s.t VALUES (?, 'x')", [id]);
  const recorder = await recordAll(server, async (recorded) => {
    stop = await recorded();
    await insert(1);
    from = await recorded();
    await insert(2);
    to = await recorded();
    await insert(3);
    await server.sql("FLUSH BINARY LOGS");
    await insert(4);
    await recorded();
    await insert(5);
  });
  const [recorded] = recorder.streams;
  assert.ok(recorded);
  const directory = await temporaryDirectory(context);
  const { transactions, result } = await read(recorded, stop, { directory, leftOut: { from, to } });
  assert.equal(result.holes.length, 1);
  const [hole] = result.holes;
  assert.ok(hole && hole.start <= from && hole.end === packPosition({ file: 2, offset: 0 }), hole?.what);
  assert.match(hole.what, /^binary log from binlog\.000001:\d+ to binlog\.000002:0: it is missing$/);
  assert.deepEqual(transactions.slice(-2).map(rowsOf), [{ "s.t": [1, 0, 0] }, { "s.t": [1, 0, 0] }]);
  assert.ok(transactions.length <= 3);

  // Cut off in the middle of the last transaction
  const cut = { ...recorded, pieces: [...recorded.pieces] };
  cut.pieces.push((cut.pieces.pop() ?? Buffer.alloc(0)).subarray(0, -10));
  const other = await temporaryDirectory(context);
  const shorter = await read(cut, stop, { directory: other });
  assert.equal(shorter.transactions.length, 4);
  const program = path.join(server.basedir, "bin/mysqlbinlog");
  for (const file of shorter.result.files)
    await run(program, ["--no-defaults", "--verify-binlog-checksum", path.join(other, file)]);
});

test("what a server holds beyond the stored log is read from it; logs that were reset are told as such", async () => {
  await using server = await startMysql();
  await prepare(server);
  const recorder = await recordAll(server, async () => {
    await server.sql("INSERT INTO s.t VALUES (1, 'stored')");
  });
  await server.sql(
    "INSERT INTO s.t VALUES (2, 'on the server only'); FLUSH BINARY LOGS; INSERT INTO s.t VALUES (3, 'too')",
  );
  const [recorded] = recorder.streams;
  assert.ok(recorded);
  const stored = new RecordedBinlogs(recorded.stream).add(recorder).stored();
  const transactions: LoggedTransaction[] = [];
  await using reader = driver.reader({
    ...{ facts, directory: undefined, onTransaction: (transaction) => transactions.push(transaction) },
    readAt: async ({ position }) => await stored.read?.(position),
  });
  const [leg] = driver.route({ stop: recorder.end, streams: [recorded] }).legs;
  assert.ok(leg);
  await reader.begin(leg, recorded.history);
  for await (const part of driver.readUnstored(server.address, { from: stored, signal })) {
    assert.equal(part.kind, "bytes");
    if (part.kind === "bytes") await reader.feed(part);
  }
  const result = await reader.finish();
  assert.deepEqual(result.holes, []);
  assert.deepEqual(
    transactions.map((each) => [each.from, rowsOf(each)]),
    [
      ["server", { "s.t": [1, 0, 0] }],
      ["server", { "s.t": [1, 0, 0] }],
    ],
  );
  assert.ok(result.serverBytes > 0 && result.storedBytes === 0);

  // Logs are told apart by the second that they were begun in.
  const { generation } = parseStreamName(recorded.stream);
  await eventually("the next second", async () => {
    const [row] = await server.sql("SELECT UNIX_TIMESTAMP() AS now");
    return Number(row?.["now"]) > generation;
  });
  await server.sql("RESET BINARY LOGS AND GTIDS; INSERT INTO s.t VALUES (4, 'in other logs')");
  const reset = await recordAll(server, async () => {
    await server.sql("INSERT INTO s.t VALUES (5, 'in other logs')");
  });
  const [others] = reset.streams;
  assert.ok(others);
  await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", async () => {
    for await (const part of driver.readUnstored(server.address, { from: stored, signal })) assert.fail(part.kind);
  });
  const { legs } = driver.route({ stop: recorder.end, streams: [recorded, others] });
  assert.deepEqual(
    legs.map(({ stream, start }) => [stream, start]),
    [
      [recorded.stream, recorder.end.position],
      [others.stream, others.start],
    ],
  );
});
