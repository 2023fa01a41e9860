import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import { parseGtid } from "../../src/domain/gtid.ts";
import type { LogPieceRef, RecoveryTarget } from "../../src/engine/engine.ts";
import { packPosition, parseBinlogFileName } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { gtidBounds } from "../../src/engine/mysql/recovery/gtid-bounds.ts";
import { MysqlServerDriver } from "../../src/engine/mysql/server-driver.ts";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import type { FeedLog, RecoveryProgress, RecoveryResult, ServerSpec } from "../../src/engine/server.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { restoreFiles } from "../../src/repository/restore-files.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { neverAborted, openFixture } from "../support/backup-fixture.ts";
import { specOf } from "../support/managed-postgres.ts";
import { backUp, type TakenBackup } from "../support/mysql-backup.ts";
import { ownByServerUser, serverUser } from "../support/postgres-server.ts";
import { mulberry32 } from "../support/random-numbers.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { mysqlBasedir, startMysql, type TestMysql } from "../support/mysql-server.ts";

/** What a server has logged, as pieces that an archiver could have made. */
class ServerLog {
  readonly pieces: readonly LogPieceRef[];
  readonly #bytes: ReadonlyMap<string, Buffer>;

  private constructor(pieces: readonly LogPieceRef[], bytes: ReadonlyMap<string, Buffer>) {
    this.pieces = pieces;
    this.#bytes = bytes;
  }

  static async of(server: TestMysql, stream: string): Promise<ServerLog> {
    const names = (await server.sql("SHOW BINARY LOGS")).map(({ Log_name: name }) => String(name));
    const pieces: LogPieceRef[] = [];
    const bytes = new Map<string, Buffer>();
    for (const [index, name] of names.entries()) {
      const { file } = parseBinlogFileName(name);
      const content = await readFile(path.join(server.dataDirectory, name));
      const isLast = index === names.length - 1;
      // Cut where no event ends; a time that is surely later than all of its commits makes every piece looked into.
      const cut = Math.floor(content.length / 2);
      const newestCommitMicros = BigInt(Date.now() + 1000) * 1000n;
      const fileEnd = isLast ? { file, offset: content.length } : { file: file + 1, offset: 0 };
      const middle = packPosition({ file, offset: cut });
      const parts = [
        { start: packPosition({ file, offset: 0 }), end: middle, bytes: content.subarray(0, cut) },
        { start: middle, end: packPosition(fileEnd), bytes: content.subarray(cut) },
      ];
      for (const part of parts) {
        pieces.push({ stream, start: part.start, end: part.end, newestCommitMicros });
        bytes.set(part.start, part.bytes);
      }
    }
    return new ServerLog(pieces, bytes);
  }

  readonly read = (piece: LogPieceRef): Promise<Uint8Array> =>
    Promise.resolve(this.#bytes.get(piece.start) ?? Buffer.alloc(0));

  readonly feed =
    (pieces: readonly LogPieceRef[]): FeedLog =>
    async (restorer) => {
      for (const piece of pieces) await restorer.write(piece.stream, piece.start, await this.read(piece));
      await restorer.finish();
    };
}

class Forks implements AsyncDisposable {
  readonly driver: MysqlServerDriver;
  readonly #root: string;
  readonly #directories: string[] = [];

  private constructor(driver: MysqlServerDriver, root: string) {
    this.driver = driver;
    this.#root = root;
  }

  static async create(): Promise<Forks> {
    const root = await mkdtemp(path.join(tmpdir(), "btar-test-forks-"));
    await chmod(root, 0o755);
    const driver = new MysqlServerDriver({
      configuredBasedirs: [],
      projectBasedir: await mysqlBasedir(),
      searchPath: [],
      runAs: await resolveRunAs(undefined),
      logger: createLogger({ level: "error" }),
    });
    return new Forks(driver, root);
  }

  /** Restores and recovers, as an agent does. */
  async fork(
    repository: Repository,
    { manifest, facts }: TakenBackup,
    request: { readonly log: ServerLog; readonly target: RecoveryTarget; readonly name: string },
  ): Promise<Fork> {
    const { driver } = this;
    const { log, target, name } = request;
    const directory = path.join(this.#root, name);
    this.#directories.push(directory);
    const from = driver.firstLogPosition(facts);
    const pieces = log.pieces.filter(({ end }) => end > from);
    const plan = await driver.planRecovery({ facts, target, pieces, readPiece: log.read });
    const workers = new BlobWorkers(2);
    try {
      const place = { repository, manifest, directory: driver.filesDirectory(directory) };
      await restoreFiles({ ...place, workers, signal: neverAborted, isSynced: false });
    } finally {
      await workers.close();
    }
    const spec = await specOf(name, "9.7");
    const feedLog = log.feed(plan.pieces);
    const progress: RecoveryProgress[] = [];
    const onProgress = (each: RecoveryProgress) => progress.push(each);
    const result = await driver.recover(directory, spec, { facts, plan, feedLog, signal: neverAborted, onProgress });
    return new Fork(spec, result, progress);
  }

  async remove(name: string): Promise<void> {
    const directory = path.join(this.#root, name);
    await this.driver.stop(directory);
    await rm(directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#directories.map((directory) => this.driver.stop(directory)));
    await rm(this.#root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

class Fork {
  readonly spec: ServerSpec;
  readonly result: RecoveryResult;
  /** What was told of the replay. */
  readonly progress: readonly RecoveryProgress[];

  constructor(spec: ServerSpec, result: RecoveryResult, progress: readonly RecoveryProgress[]) {
    this.spec = spec;
    this.result = result;
    this.progress = progress;
  }

  /** As the administrator, by TLS. */
  async sql(text: string): Promise<Record<string, unknown>[]> {
    const { admin } = this.spec.accounts;
    const connection = await mysql.createConnection({
      host: "127.0.0.1",
      port: this.spec.port,
      user: admin.name,
      password: admin.password,
      ssl: { rejectUnauthorized: false },
      dateStrings: true,
    });
    try {
      const [rows] = await connection.query<mysql.RowDataPacket[]>(text);
      return Array.isArray(rows) ? rows : [];
    } finally {
      await connection.end();
    }
  }
}

async function now(server: TestMysql): Promise<bigint> {
  const [row] = await server.sql("SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS CHAR) AS micros");
  return BigInt(String(row?.["micros"]).split(".")[0] ?? "");
}

test("F4: a fork holds every transaction in log order up to the time, and none from there on; at the latest, all", async () => {
  await using source = await startMysql();
  await using forks = await Forks.create();
  await source.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(50))");
  await source.sql("INSERT INTO shop.t VALUES (1, 'before the backup')");
  await source.sql("CREATE USER app@'%' IDENTIFIED BY 'app'; GRANT ALL ON *.* TO app@'%' WITH GRANT OPTION");
  const repository = await openFixture(new MemoryObjectStore("recovery"));
  const backup = await backUp(source.address, repository, { backupId: "backup-1" });
  await source.sql("INSERT INTO shop.t VALUES (2, 'after it')");
  await source.sql("FLUSH BINARY LOGS");
  await source.sql("CREATE EVENT shop.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t WHERE id = 99");
  const atMicros = await now(source);
  await source.sql("INSERT INTO shop.t VALUES (3, 'too late')");
  await source.sql("CREATE USER later@'%' IDENTIFIED BY 'later'");
  const log = await ServerLog.of(source, backup.facts.log.stream);

  const atTime = await forks.fork(repository, backup, { log, target: { kind: "time", atMicros }, name: "at-time" });
  assert.deepEqual(await atTime.sql("SELECT id FROM shop.t ORDER BY id"), [{ id: 1 }, { id: 2 }]);
  assert.match(atTime.result.stoppedAt, /^binlog\.000002:\d+ \([0-9a-f-]{36}:1-\d+\)$/);
  assert.match(atTime.result.lastGtid ?? "", /^[0-9a-f-]{36}:\d+$/);
  assert.ok(atTime.result.lastCommitAt && BigInt(atTime.result.lastCommitAt.getTime()) * 1000n <= atMicros);

  const latest = await forks.fork(repository, backup, { log, target: { kind: "latest" }, name: "latest" });
  assert.deepEqual(await latest.sql("SELECT id FROM shop.t ORDER BY id"), [{ id: 1 }, { id: 2 }, { id: 3 }]);
  const [identity] = await latest.sql("SELECT @@server_uuid AS uuid, @@log_bin AS log_bin, @@read_only AS read_only");
  const [origin] = await source.sql("SELECT @@server_uuid AS uuid");
  assert.notEqual(identity?.["uuid"], origin?.["uuid"], "F6: it is a server of its own");
  assert.deepEqual([identity?.["log_bin"], identity?.["read_only"]], [1, 0]);
  assert.deepEqual(
    await latest.sql("SELECT event_name AS name, status AS status, definer AS definer FROM information_schema.events"),
    [{ name: "e", status: "ENABLED", definer: "root@%" }],
  );
  const users = await latest.sql(
    "SELECT DISTINCT user AS user FROM mysql.user WHERE user NOT LIKE 'mysql.%' ORDER BY user",
  );
  assert.deepEqual(
    users.map(({ user }) => user),
    ["app", "avnadmin", "btar_internal", "later", "root"],
  );
  const rights = await latest.sql(
    "SELECT privilege_type AS name FROM information_schema.user_privileges WHERE grantee LIKE '%app%'",
  );
  assert.ok(rights.some(({ name }) => name === "SELECT"));
  assert.ok(!rights.some(({ name }) => name === "SUPER" || name === "SHUTDOWN" || name === "FILE"));

  const backupEnd = await forks.fork(repository, backup, { log, target: { kind: "backup-end" }, name: "backup-end" });
  assert.deepEqual(await backupEnd.sql("SELECT id FROM shop.t ORDER BY id"), [{ id: 1 }]);
  const early = { kind: "time", atMicros: BigInt(backup.facts.startedAt.getTime() - 60_000) * 1000n } as const;
  await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () =>
    forks.fork(repository, backup, { log, target: early, name: "too-early" }),
  );
});

test("F4: forks to twenty random times hold exactly what was committed by then", async (context) => {
  const seed = Date.now() % 1_000_000;
  context.diagnostic(`seed ${seed}`);
  const random = mulberry32(seed);
  await using source = await startMysql({ settings: { max_binlog_size: 65_536 } });
  await using forks = await Forks.create();
  await source.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(2000))");
  const repository = await openFixture(new MemoryObjectStore("random times"));
  const backup = await backUp(source.address, repository, { backupId: "backup-1" });
  /** Times between writes: index is the number of the last write before. */
  const between: bigint[] = [await now(source)];
  for (let id = 1; id <= 200; id += 1) {
    await source.sql(`INSERT INTO shop.t VALUES (${id}, REPEAT('x', ${Math.floor(random() * 2000)}))`);
    between.push(await now(source));
  }
  const log = await ServerLog.of(source, backup.facts.log.stream);
  const forkAt = async (name: string) => {
    const last = Math.floor(random() * between.length);
    const target = { kind: "time", atMicros: between[last] ?? 0n } as const;
    const fork = await forks.fork(repository, backup, { log, target, name });
    assert.deepEqual(
      await fork.sql("SELECT COUNT(*) AS count, COALESCE(MAX(id), 0) AS id FROM shop.t"),
      [{ count: last, id: last }],
      `after write ${last}`,
    );
    await forks.remove(name);
  };
  for (let round = 0; round < 10; round += 1) await Promise.all([forkAt(`${round}-a`), forkAt(`${round}-b`)]);
});

/** Writes rows on a connection of its own, and notes which transaction each one is, as the server says. */
async function writeRows(
  server: TestMysql,
  rows: { readonly firstId: number; readonly tag: string; readonly written: Map<string, number> },
  isEnough: () => boolean,
): Promise<void> {
  const { host, port, user } = server.address;
  const connection = await mysql.createConnection({ host, port, user });
  try {
    await connection.query("SET SESSION session_track_gtids = OWN_GTID");
    for (let id = rows.firstId; !isEnough(); id += 1) {
      await connection.query(`SET SESSION gtid_next = 'AUTOMATIC${rows.tag}'`);
      const [result] = await connection.query("INSERT INTO shop.t VALUES (?, REPEAT('x', 500))", [id]);
      const [gtid] = (result as { stateChanges?: { gtids?: string[] } }).stateChanges?.gtids ?? [];
      assert.ok(gtid);
      rows.written.set(gtid, id);
    }
  } finally {
    await connection.end();
  }
}

/** GTIDs in the order in which a server has logged them, as it tells itself. */
async function loggedGtids(server: TestMysql): Promise<readonly string[]> {
  const gtids: string[] = [];
  for (const { Log_name: name } of await server.sql("SHOW BINARY LOGS")) {
    for (const { Info: text } of await server.sql(`SHOW BINLOG EVENTS IN '${String(name)}'`)) {
      const [, gtid] = /^SET @@SESSION\.GTID_NEXT= '(.*)'$/.exec(String(text)) ?? [];
      if (gtid !== undefined) gtids.push(gtid);
    }
  }
  return gtids;
}

test("F4: forks to GTIDs hold all that was logged up to them, and none of what was committed beside them", async (context) => {
  const seed = Date.now() % 1_000_000;
  context.diagnostic(`seed ${seed}`);
  const random = mulberry32(seed);
  await using source = await startMysql({ settings: { max_binlog_size: 65_536 } });
  await using forks = await Forks.create();
  await source.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(2000))");
  const repository = await openFixture(new MemoryObjectStore("gtids"));
  const written = new Map<string, number>();
  let wanted = Number.POSITIVE_INFINITY;
  const writing = [0, 1, 2, 3].map((index) => {
    const rows = { firstId: index * 1_000_000, tag: index === 3 ? ":app" : "", written };
    return writeRows(source, rows, () => written.size >= wanted);
  });
  const backup = await backUp(source.address, repository, { backupId: "backup-1" });
  wanted = written.size + 400;
  await Promise.all(writing);
  const log = await ServerLog.of(source, backup.facts.log.stream);
  const inOrder = await loggedGtids(source);
  const held = gtidBounds(backup.facts);
  const last = inOrder.findLastIndex((gtid) => held?.atMost.has(parseGtid(gtid)));
  const lastForSure = inOrder.findLastIndex((gtid) => held?.atLeast.has(parseGtid(gtid)));
  assert.ok(lastForSure > 0 && inOrder.length - last > 300, `${last} of ${inOrder.length}`);
  const fork = async (index: number, name: string) => {
    const gtid = parseGtid(inOrder[index] ?? "");
    return await forks.fork(repository, backup, { log, target: { kind: "gtid", gtid }, name });
  };
  const progress: RecoveryProgress[] = [];
  const forkAt = async (index: number, name: string) => {
    const forked = await fork(index, name);
    const { result } = forked;
    progress.push(...forked.progress);
    assert.equal(result.lastGtid, inOrder[index]);
    assert.ok(result.lastCommitAt);
    const ids = inOrder.slice(0, index + 1).flatMap((gtid) => written.get(gtid) ?? []);
    const rows = await forked.sql("SELECT id AS id FROM shop.t ORDER BY id");
    assert.deepEqual(
      rows.map(({ id }) => id),
      ids.toSorted((a, b) => a - b),
      `up to ${inOrder[index]}`,
    );
    await forks.remove(name);
  };
  const somewhere = () => last + 1 + Math.floor(random() * (inOrder.length - last - 1));
  await Promise.all([forkAt(last, "all-that-it-holds"), forkAt(somewhere(), "a")]);
  await Promise.all([forkAt(somewhere(), "b"), forkAt(somewhere(), "c")]);
  assert.ok(progress.length > 0, "F7: how far the replay is, is told");
  for (const { position, end, fraction, transactions } of progress) {
    assert.match(`${position} ${end} ${transactions}`, /^binlog\.\d+:\d+ binlog\.\d+:\d+ \d+ of \d+ transactions$/);
    assert.ok(fraction >= 0 && fraction <= 1);
  }
  const early = await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () => fork(lastForSure - 1, "held-already"));
  assert.match(early.message, /it may hold later ones/);
  assert.match(early.hint ?? "", /^choose a transaction of [0-9a-f-]{36}:\d+-\d+,[0-9a-f-]{36}:app:\d+-\d+, or a time/);
});

test("restored files tell how they become a server: one run with the options beside them replays the log", async (context) => {
  await using source = await startMysql();
  await using forks = await Forks.create();
  const { driver } = forks;
  await source.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  const repository = await openFixture(new MemoryObjectStore("files"));
  const { manifest, facts } = await backUp(source.address, repository, { backupId: "backup-1" });
  await source.sql("INSERT INTO shop.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (3)");
  const log = await ServerLog.of(source, facts.log.stream);
  const target = { kind: "latest" } as const;
  const plan = await driver.planRecovery({ facts, target, pieces: log.pieces, readPiece: log.read });

  const directory = path.join(await temporaryDirectory(context), "restored");
  const workers = new BlobWorkers(2);
  try {
    await restoreFiles({ repository, manifest, directory, workers, signal: neverAborted, isSynced: true });
  } finally {
    await workers.close();
  }
  await log.feed(plan.pieces)(driver.logRestorer(directory, facts, plan), neverAborted);
  await driver.prepareRecovery(directory, { facts, plan, tablespaces: { mapping: new Map() } });

  await chmod(path.dirname(directory), 0o755);
  await ownByServerUser(directory);
  const basedir = await mysqlBasedir();
  // A server that is not where it was built for does not find its messages by itself.
  const parts = [`--basedir=${basedir}`, `--lc-messages-dir=${basedir}/share`];
  const replay = [`--defaults-file=${directory}/btar-restore.cnf`, ...parts];
  await promisify(execFile)(`${basedir}/bin/mysqld`, replay, { ...serverUser, cwd: "/", timeout: 60_000 });
  await using restored = await startMysql({ dataDirectory: directory });
  assert.deepEqual(await restored.sql("SELECT id FROM shop.t ORDER BY id"), [{ id: 1 }, { id: 2 }, { id: 3 }]);
});
