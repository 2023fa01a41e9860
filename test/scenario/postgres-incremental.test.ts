import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { BackupReading } from "../../src/engine/engine.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import type { BackupManifest } from "../../src/repository/manifest.ts";
import type { PreviousBackup } from "../../src/repository/previous-backup.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { neverAborted, onTopOf, openFixture, serviceId, storedContent } from "../support/backup-fixture.ts";
import { ownByServerUser, type PostgresVersion, startPostgres, type TestPostgres } from "../support/postgres-server.ts";

interface Taken {
  readonly manifest: BackupManifest;
  readonly reading: BackupReading;
}

/** Backs a server up as an agent does. */
async function backUp(server: TestPostgres, repository: Repository, previous?: PreviousBackup): Promise<Taken> {
  const workers = new BlobWorkers(2);
  try {
    const writer = repository.baseBackupWriter({ workers, previous, signal: neverAborted });
    let reading: BackupReading | undefined;
    const earlier = previous?.manifest;
    const facts = await new PostgresSourceDriver().takeBaseBackup(server.address, writer, {
      label: "test",
      signal: neverAborted,
      since: earlier && { ...earlier, files: earlier.files.map((file) => file.path), sink: writer },
      onReading: (chosen) => {
        reading = chosen;
      },
    });
    const { stored, dataBytes, storedBytes } = await writer.finish();
    const manifest = {
      ...{ ...facts, ...stored, dataBytes, storedBytes, serviceId },
      ...{ backupId: `backup-${facts.log.end}`, engine: "pg", reason: "request" },
      ...{ completedAt: new Date(), descriptionVersion: "none" },
    };
    await repository.putManifest(manifest);
    assert.ok(reading);
    return { manifest: await repository.manifest(manifest.backupId), reading };
  } finally {
    await workers.close();
  }
}

const settings = { autovacuum: "off", summarize_wal: "on" };

async function filled(server: TestPostgres): Promise<void> {
  await server.sql(
    "create table wide (id int primary key, filler text); insert into wide select i, repeat(md5(i::text), 20) from generate_series(1, 20000) i",
  );
  await server.sql("create table shrinks as select i, repeat('x', 500) as text from generate_series(1, 20000) i");
  await server.sql("create table goes as select 1 as one");
  await server.sql("create index on wide (md5(filler))");
  await server.sql("vacuum analyze");
}

async function changed(server: TestPostgres): Promise<void> {
  await server.sql("update wide set filler = filler || 'y' where id % 400 = 0");
  await server.sql("delete from shrinks where i > 4000");
  await server.sql("vacuum shrinks");
  await server.sql("insert into shrinks select i, 'again' from generate_series(1, 3000) i");
  await server.sql("drop table goes");
  await server.sql("create table comes as select i from generate_series(1, 5000) i");
}

/** Files that a backup changes by being taken, or that hold where the log stood. */
const notCompared = /^(?:backup_label|global\/pg_control|pg_wal\/|pg_xact\/|pg_logical\/|pg_stat)/;

async function assertSameFiles(taken: BackupManifest, from: Repository, full: BackupManifest, other: Repository) {
  const stored = await storedContent(from, taken);
  const expected = await storedContent(other, full);
  const names = (files: ReadonlyMap<string, Buffer>) => [...files.keys()].filter((name) => !notCompared.test(name));
  assert.deepEqual(names(stored).sort(), names(expected).sort());
  const differing = names(expected).filter((name) => !stored.get(name)?.equals(expected.get(name) ?? Buffer.alloc(0)));
  assert.deepEqual(differing, []);
  assert.doesNotMatch(stored.get("backup_label")?.toString() ?? "", /INCREMENTAL/);
}

for (const majorVersion of ["17", "18"] satisfies PostgresVersion[]) {
  test(`PostgreSQL ${majorVersion} sends what changed, and the backup holds what a full one does`, async () => {
    await using server = await startPostgres({ majorVersion, settings, initdbArgs: ["--data-checksums"] });
    const tablespace = await mkdtemp(path.join(tmpdir(), "btar-test-tablespace-"));
    try {
      const location = path.join(tablespace, "space");
      await mkdir(location);
      await ownByServerUser(tablespace);
      await ownByServerUser(location);
      await server.sql(`create tablespace elsewhere location '${location}'`);
      await server.sql("create table moved tablespace elsewhere as select i from generate_series(1, 20000) i");
      await filled(server);
      const repository = await openFixture(new MemoryObjectStore("changes"));
      const first = await backUp(server, repository);
      assert.deepEqual(first.reading, { kind: "everything", reason: undefined });

      let previous = first.manifest;
      for (let round = 1; round <= 3; round += 1) {
        if (round === 1) await changed(server);
        await server.sql(`update wide set filler = md5('${round}') where id % 977 = ${round}`);
        await server.sql(`update moved set i = -i where i = ${round}`);
        await server.sql("checkpoint");
        const taken = await backUp(server, repository, onTopOf(repository, previous));
        assert.deepEqual(taken.reading, { kind: "changes" });
        assert.ok(taken.manifest.storedBytes < first.manifest.storedBytes / 2, `${taken.manifest.storedBytes} bytes`);
        const other = await openFixture(new MemoryObjectStore("full"));
        const full = await backUp(server, other);
        assert.equal(taken.manifest.files.length, full.manifest.files.length);
        await assertSameFiles(taken.manifest, repository, full.manifest, other);
        previous = taken.manifest;
      }
    } finally {
      await rm(tablespace, { recursive: true, force: true });
    }
  });
}

test("a server that cannot say what changed is read whole, which is told with the reason, and little is stored", async () => {
  await using old = await startPostgres({ majorVersion: "16", settings: { autovacuum: "off" } });
  await using off = await startPostgres({ majorVersion: "18", settings: { autovacuum: "off" } });
  const reasons = [
    [old, /only PostgreSQL 17 and later/],
    [off, /unless WAL summarization is enabled/],
  ] as const;
  for (const [server, reason] of reasons) {
    await filled(server);
    const repository = await openFixture(new MemoryObjectStore("whole"));
    const first = await backUp(server, repository);
    await changed(server);
    const second = await backUp(server, repository, onTopOf(repository, first.manifest));
    assert.equal(second.reading.kind, "everything");
    assert.match((second.reading.kind === "everything" && second.reading.reason) || "", reason);
    assert.ok(second.manifest.storedBytes < first.manifest.storedBytes / 2, `${second.manifest.storedBytes} bytes`);
    const other = await openFixture(new MemoryObjectStore("full"));
    await assertSameFiles(second.manifest, repository, (await backUp(server, other)).manifest, other);
  }
});

test("summaries that do not reach back make the next backup read everything, and the one after it changes only", async () => {
  await using server = await startPostgres({ majorVersion: "18", settings: { autovacuum: "off" } });
  await filled(server);
  const repository = await openFixture(new MemoryObjectStore("summaries"));
  const first = await backUp(server, repository);
  await server.sql("select pg_switch_wal()");
  await changed(server);
  await server.sql("checkpoint");
  await server.sql("select pg_switch_wal()");
  await server.sql("checkpoint");
  await server.sql("alter system set summarize_wal = on");
  await server.sql("select pg_reload_conf()");
  const second = await backUp(server, repository, onTopOf(repository, first.manifest));
  assert.equal(second.reading.kind, "everything");
  const third = await backUp(server, repository, onTopOf(repository, second.manifest));
  assert.deepEqual(third.reading, { kind: "changes" });
});
