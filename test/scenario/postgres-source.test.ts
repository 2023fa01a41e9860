import assert from "node:assert/strict";
import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import type { PostgresBackupFacts } from "../../src/engine/postgres/base-backup.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { eventually } from "../support/btar-process.ts";
import { DirectorySink } from "../support/directory-sink.ts";
import { LogRecorder, segmentsOf, sortable } from "../support/log-recorder.ts";
import { ownByServerUser, postgresVersions, startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const driver = new PostgresSourceDriver();
const reservation = "btar";

/** One digest over all rows of the tables that the tests fill. */
async function digest(server: TestPostgres): Promise<unknown> {
  const tables = ["numbers", "elsewhere", "later"].map(
    (table) => `(select md5(string_agg(t::text, ',' order by t)) from ${table} t)`,
  );
  return (await server.sql(`select ${tables.join(" || ")} as digest`))[0]?.["digest"];
}

for (const majorVersion of postgresVersions) {
  test(`PostgreSQL ${majorVersion}: a base backup and the log streamed around it start as the same database`, async (context) => {
    const signal = AbortSignal.timeout(500_000);
    await using source = await startPostgres({
      majorVersion,
      settings: { track_commit_timestamp: "on", wal_keep_size: "1GB" },
    });
    const { address } = source;
    const places = await temporaryDirectory(context);
    await mkdir(path.join(places, "tablespace"));
    await ownByServerUser(places);
    await source.sql(`create tablespace room location '${places}/tablespace'`);
    await source.sql(
      "create table numbers as select g, repeat(md5(g::text), 10) as text from generate_series(1, 20000) g",
    );
    await source.sql("create table elsewhere tablespace room as select g from generate_series(1, 1000) g");

    await driver.ensureReservation(address, { reservation, signal });
    const recorder = new LogRecorder(await driver.streamLog(address, { reservation, from: undefined, signal }));
    let isBackingUp = true;
    const acknowledged: { readonly at: number; readonly position: string }[] = [];
    const writes = (async () => {
      await source.sql("create table later (id int)");
      for (let id = 0; isBackingUp || id < 200; id += 1) {
        await source.sql("insert into later values ($1)", [id]);
        const position = sortable((await source.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"]);
        acknowledged.push({ at: Date.now(), position });
      }
    })();
    const restored = path.join(places, "restored");
    const sink = new DirectorySink(restored);
    const progress: number[] = [];
    const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }) => {
      assert.ok(doneBytes <= totalBytes);
      progress.push(doneBytes);
    };
    const facts = await driver.takeBaseBackup(address, sink, { label: "it's a test", signal, onProgress });
    isBackingUp = false;
    await writes;

    // What it says of itself
    const control = await source.sql("select system_identifier::text as id from pg_control_system()");
    const system = String(control[0]?.["id"]);
    assert.equal(facts.identity.systemId, system);
    assert.equal(facts.identity.majorVersion, majorVersion);
    assert.deepEqual(await driver.identify(address, { signal }), facts.identity);
    assert.equal(facts.log.stream, `${system}-00000001`);
    const engineFacts = facts.engineFacts as unknown as PostgresBackupFacts;
    assert.equal(engineFacts.walSegmentBytes, 16 * 1024 * 1024);
    assert.equal(engineFacts.dataChecksums, majorVersion === "18");
    assert.deepEqual(
      engineFacts.tablespaces.map(({ location }) => location),
      [path.join(places, "tablespace")],
    );
    const [tablespace] = engineFacts.tablespaces;
    assert.ok(sink.files.some((file) => file.startsWith(`pg_tblspc/${tablespace?.oid}/PG_${majorVersion}_`)));
    assert.ok(progress.length > 2 && progress.every((bytes, index) => bytes >= (progress[index - 1] ?? 0)));
    const label = await readFile(path.join(restored, "backup_label"), "utf8");
    assert.equal(sortable(/START WAL LOCATION: (\S+)/.exec(label)?.[1]), facts.log.start);
    assert.match(label, /^LABEL: it's a test$/m);
    assert.ok(facts.log.start < facts.log.end && facts.startedAt <= facts.consistentAt);
    // All that clients were told of before consistentAt lies in the backup's own log.
    const covered = acknowledged.filter(({ at }) => at < facts.consistentAt.getTime());
    assert.ok(covered.every(({ position }) => position <= facts.log.end));

    // The log is the server's own, byte for byte
    await source.sql("insert into later values (-1)");
    const flushed = (await source.sql("select pg_current_wal_flush_lsn()::text as lsn"))[0]?.["lsn"];
    await recorder.untilPosition(sortable(flushed));
    const [recorded] = recorder.streams;
    assert.ok(recorded);
    const segments = segmentsOf(recorded, engineFacts.walSegmentBytes);
    const received = Number(BigInt(`0x${recorder.end.position}`) % BigInt(engineFacts.walSegmentBytes));
    for (const [index, [name, bytes]] of [...segments].entries()) {
      const length = index === segments.size - 1 && received > 0 ? received : bytes.length;
      const original = await readFile(path.join(source.dataDirectory, "pg_wal", name));
      assert.ok(original.subarray(0, length).equals(bytes.subarray(0, length)), name);
    }
    const last =
      "select (extract(epoch from timestamp) * 1000000)::bigint::text as micros from pg_last_committed_xact()";
    assert.equal(recorder.newestCommitMicros, BigInt(String((await source.sql(last))[0]?.["micros"])));
    await recorder.until(({ caughtUp }) => caughtUp?.position === recorder.end.position);
    // The server writes some log of its own now and then.
    await eventually("all of the log is acknowledged", async () => {
      const { retainedBytes, ...state } = await driver.reservation(address, { reservation, signal });
      assert.deepEqual(state, { exists: true, isLost: false });
      return retainedBytes === 0;
    });
    await recorder.close();

    // And it starts
    const expected = await digest(source);
    for (const [name, bytes] of segments) await writeFile(path.join(restored, "pg_wal", name), bytes);
    const link = path.join(restored, "pg_tblspc", tablespace?.oid ?? "");
    await rename(link, path.join(places, "restored-tablespace"));
    await ownByServerUser(path.join(places, "restored-tablespace"));
    await symlink(path.join(places, "restored-tablespace"), link);
    await writeFile(path.join(restored, "recovery.signal"), "");
    const settings = { restore_command: "false", hot_standby: "off" };
    await using fork = await startPostgres({ majorVersion, dataDirectory: restored, settings });
    assert.equal(await digest(fork), expected);
    await driver.dropReservation(address, { reservation, signal });
    assert.equal((await driver.reservation(address, { reservation, signal })).exists, false);
  });
}
