import assert from "node:assert/strict";
import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { onTopOf, openFixture } from "../support/backup-fixture.ts";
import { backUp, checkRestored } from "../support/mysql-backup.ts";
import { basedirWithKeyring } from "../support/mysql-keyring.ts";
import { createTables, MysqlLoad } from "../support/mysql-load.ts";
import { startMysql } from "../support/mysql-server.ts";
import { ownByServerUser } from "../support/postgres-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A directory that servers can reach, with one in it that they may put tables into. */
async function serverDirectory(context: TestContext): Promise<{ directory: string; external: string }> {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  const external = path.join(directory, "external");
  await mkdir(external);
  await ownByServerUser(external);
  return { directory, external };
}

test("a backup under load, tables of every kind being changed all the time, is the server at one of its transactions", async (context) => {
  const { directory, external } = await serverDirectory(context);
  await using server = await startMysql({ settings: { innodb_directories: external } });
  await createTables(server, external);
  const repository = await openFixture(new MemoryObjectStore("load"));
  await using load = new MysqlLoad(server);
  let writes = 0;
  const backup = await backUp(server.address, repository, {
    backupId: "backup-1",
    onWrite: async () => {
      if ((writes += 1) % 20 === 0) await load.goOn(1, { atMostMs: 100 });
    },
    onSettle: async () => await load.goOn(2, { atMostMs: 500 }),
  });
  await load.goOn(1);
  await load.stop();
  const { externalLocations, clone } = backup.engineFacts;
  assert.deepEqual(
    externalLocations.map(({ location }) => location),
    [external],
  );
  assert.deepEqual(clone, { method: "streaming", isDdlAllowed: true, streamCount: 2, restartCount: 0 });
  assert.deepEqual(backup.readings, [{ kind: "everything", reason: undefined }]);
  await checkRestored(server, repository, backup, path.join(directory, "restored"));
});

test("a backup stores what differs from the last one, and goes on when its connections break, in every part of it", async (context) => {
  const { directory, external } = await serverDirectory(context);
  await using server = await startMysql({ settings: { innodb_directories: external } });
  await createTables(server, external);
  await server.restart(); // which writes all pages to the files
  const repository = await openFixture(new MemoryObjectStore("breaks"));
  const first = await backUp(server.address, repository, { backupId: "backup-1" });
  await server.sql("UPDATE shop.items SET content = RANDOM_BYTES(700) WHERE id BETWEEN 1000 AND 1050");
  const previous = onTopOf(repository, first.manifest);
  const second = await backUp(server.address, repository, { backupId: "backup-2", previous });
  const share = second.manifest.storedBytes / first.manifest.storedBytes;
  context.diagnostic(`the second backup stored ${share.toFixed(4)} of the first`);
  assert.ok(share < 0.05);

  await using proxy = await TcpProxy.start(server.address.port);
  await server.sql(`SET SESSION cte_max_recursion_depth = 1000; CREATE TABLE shop.ours (id INT PRIMARY KEY, content BLOB);
    INSERT INTO shop.ours WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
      SELECT i, RANDOM_BYTES(700) FROM n`);
  await using load = new MysqlLoad(server);
  let writes = 0;
  /** At the end of each state, in the order in which they come: nothing, or that many bytes later. */
  const breaks = [
    3_000_000, // the clone began, and some of the files came
    0, // all files came, which the server is not told
    50_000, // it is told, and the first changed pages come
    20_000, // pages came, and the first of the redo
    6, // all redo came, and the acknowledgement arrived
  ];
  const backup = await backUp({ ...server.address, port: proxy.port, tls: { mode: "require" } }, repository, {
    backupId: "backup-3",
    previous: onTopOf(repository, second.manifest),
    onWrite: async () => {
      writes += 1;
      if (writes % 20 === 0) await load.goOn(1, { atMostMs: 50 });
    },
    onSettle: async () => {
      await load.goOn(1, { atMostMs: 200 });
      // However slow the load is, more is changed in each state than comes before the next break.
      await server.sql("UPDATE shop.ours SET content = RANDOM_BYTES(700)");
      const after = breaks.shift();
      if (after === 0) proxy.cut();
      else if (after !== undefined) proxy.limitAnswers(after, "cut-once");
    },
  });
  await load.stop();
  assert.deepEqual(breaks, []);
  assert.ok(backup.engineFacts.clone.restartCount >= 5, `${backup.engineFacts.clone.restartCount} times`);
  await checkRestored(server, repository, backup, path.join(directory, "restored"));
});

test("a server whose data is all encrypted is backed up over TLS only, and opens with an empty keyring", async (context) => {
  const { directory } = await serverDirectory(context);
  const basedir = await basedirWithKeyring(path.join(directory, "source"));
  const settings = { innodb_redo_log_encrypt: "ON", innodb_undo_log_encrypt: "ON", default_table_encryption: "ON" };
  await using server = await startMysql({ basedir, settings });
  await server.sql(`ALTER TABLESPACE mysql ENCRYPTION = 'Y'; CREATE DATABASE shop; USE shop;
    CREATE TABLE secrets (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) ENCRYPTION = 'Y';
    CREATE TABLE packed (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8;
    SET SESSION cte_max_recursion_depth = 10000;
    INSERT INTO secrets (text) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      SELECT SHA2(i, 512) FROM n;
    INSERT INTO packed (text) SELECT text FROM secrets`);
  const repository = await openFixture(new MemoryObjectStore("encrypted"));
  await server.sql(`CREATE USER copier IDENTIFIED BY 'secret';
    GRANT BACKUP_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO copier`);
  const account = { ...server.address, user: "copier", password: "secret" }; // which does not see what is encrypted
  // The same host by an address that a network could carry.
  const refused = await rejectsWith("SERVER_REFUSED", () =>
    backUp({ ...account, host: "0.0.0.0" }, repository, { backupId: "backup-1" }),
  );
  assert.equal(refused.details["errno"], 3872);
  assert.match(refused.hint ?? "", /only over TLS: use tls mode require/);

  let number = 0;
  const backup = await backUp(account, repository, {
    backupId: "backup-2",
    onSettle: async () => {
      number += 1;
      await server.sql(`CREATE TABLE shop.made_${number} (id INT PRIMARY KEY) ENCRYPTION = 'Y';
        INSERT INTO shop.made_${number} SELECT id FROM shop.secrets LIMIT 100;
        UPDATE shop.secrets SET text = 'changed' WHERE id % 40 = ${number}`);
    },
  });
  const { encryption } = backup.engineFacts;
  assert.ok(encryption.isRedoEncrypted);
  const paths = encryption.files.map(({ path: name }) => name);
  for (const name of ["mysql.ibd", "undo_001", "shop/secrets.ibd", "shop/packed.ibd"]) assert.ok(paths.includes(name));
  const other = await basedirWithKeyring(path.join(directory, "other"));
  await checkRestored(server, repository, backup, path.join(directory, "restored"), { basedir: other, settings });
});
