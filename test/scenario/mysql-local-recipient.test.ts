import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, realpath, symlink, truncate } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type TestContext, test } from "node:test";
import type { BackupReading } from "../../src/engine/engine.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import type { Static } from "typebox";
import type { backupsAnswer } from "../../src/contract/backups.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { onTopOf, openFixture } from "../support/backup-fixture.ts";
import { btar } from "../support/btar-process.ts";
import { forkShop, rowsAt } from "../support/fork-shop.ts";
import { leftovers, localRecipient } from "../support/local-recipient.ts";
import { backUp, checkRestored } from "../support/mysql-backup.ts";
import { basedirWithKeyring } from "../support/mysql-keyring.ts";
import { createTables, MysqlLoad } from "../support/mysql-load.ts";
import { mysqlBasedir, startMysql } from "../support/mysql-server.ts";
import { ownByServerUser } from "../support/postgres-server.ts";
import { south, TestRegions } from "../support/regions.ts";
import { mysqlClock } from "../support/shops.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A directory that servers can reach. */
async function serverDirectory(context: TestContext): Promise<string> {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  return directory;
}

/** A donor says once that it speaks a version of the protocol that nobody knows, instead of 0x0103. */
function refuseStreaming(proxy: TcpProxy): void {
  const locators = (version: number) => Buffer.from([1, version, 1, 0, 0, 12]);
  proxy.rewriteOnce(locators(0x03), locators(0x04));
}

const refusal = /^MySQL at 127\.0\.0\.1:\d+ cannot be cloned by streaming: it sent .* clone protocol 0x104/;

test("a server that btar cannot stream from is cloned by a MySQL of this host, under load, whole", async (context) => {
  const directory = await serverDirectory(context);
  const external = path.join(directory, "external");
  await mkdir(external);
  await ownByServerUser(external);
  const authority = createAuthority("test CA");
  const certificate = issueCertificate(authority, { commonName: "donor", hosts: ["127.0.0.1"], days: 2 });
  await using server = await startMysql({ tls: certificate, settings: { innodb_directories: external } });
  await createTables(server, external);
  const account = { user: "btar", password: "b'x\"y \\z" };
  await server.sql("CREATE USER btar@'%' IDENTIFIED BY ?", [account.password]);
  await server.sql("GRANT BACKUP_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO btar@'%'");
  await using proxy = await TcpProxy.start(server.address.port);
  const altered = { ...server.address, ...account, port: proxy.port };
  const work = path.join(directory, "clones");
  const recipient = await localRecipient(work);
  const repository = await openFixture(new MemoryObjectStore("local"));
  const refused = async (code: "SERVER_REFUSED" | "SERVER_BINARIES_MISSING", choices: object) => {
    refuseStreaming(proxy);
    return await rejectsWith(code, () => backUp(altered, repository, { backupId: "backup-0", ...choices }));
  };

  await context.test("what keeps a local MySQL from it is told, and what mends it", async () => {
    assert.match((await refused("SERVER_REFUSED", { recipient, clone: "streaming" })).message, refusal);
    const none = await localRecipient(work, { configuredBasedirs: [], projectBasedir: "/nowhere" });
    const missing = await refused("SERVER_BINARIES_MISSING", { recipient: none });
    assert.match(missing.message, refusal);
    assert.match(missing.message, /; a MySQL 9\.7 on this host .* there is none: it has none$/);
    const unseen = await refused("SERVER_REFUSED", { recipient });
    assert.match(unseen.hint ?? "", /GRANT PROCESS ON \*\.\* TO 'btar'@'%';/);
    await server.sql("GRANT PROCESS ON *.* TO btar@'%'");
    const outside = await refused("SERVER_REFUSED", { recipient });
    assert.deepEqual(outside.details["files"], [`${external}/far.ibd`, `${external}/shop/elsewhere.ibd`]);
  });

  await server.sql(`ALTER TABLE shop.in_far TABLESPACE innodb_file_per_table; DROP TABLESPACE far;
    CREATE TABLE shop.here LIKE shop.elsewhere; INSERT INTO shop.here SELECT * FROM shop.elsewhere;
    DROP TABLE shop.elsewhere; RENAME TABLE shop.here TO shop.elsewhere`);
  await using writers = new AsyncDisposableStack();
  let load: MysqlLoad | undefined;
  refuseStreaming(proxy);
  const readings: BackupReading[] = [];
  const backup = await backUp(altered, repository, {
    backupId: "backup-1",
    recipient,
    onReading: (chosen) => {
      readings.push(chosen);
      load = writers.use(new MysqlLoad(server));
      proxy.limitAnswers(20_000_000, "cut-once"); // in the middle of the clone
    },
  });
  await load?.goOn(1);
  await load?.stop();
  assert.deepEqual(await leftovers(work), []);
  const [reading] = readings;
  assert.match(
    reading?.kind === "everything" ? (reading.by ?? "") : "",
    /^a MySQL 9\.7\.4 on the agent's host, since MySQL/,
  );
  const { reason, restartCount, ...how } = backup.engineFacts.clone;
  assert.match(reason ?? "", refusal);
  assert.deepEqual(how, { method: "local-recipient", isDdlAllowed: true, streamCount: 2 });
  assert.ok(restartCount >= 1, "a slow donor may refuse it at first");
  assert.deepEqual([...backup.engineFacts.undoFiles].sort(), ["extra.ibu", "undo_001", "undo_002"]);
  await checkRestored(server, repository, backup, path.join(directory, "restored"));

  await context.test("it stores what differs from a streamed one, and the other way round", async () => {
    await server.restart(); // which writes all pages to the files
    const first = await backUp(server.address, repository, { backupId: "backup-2" });
    await server.sql("UPDATE shop.items SET content = RANDOM_BYTES(700) WHERE id BETWEEN 1000 AND 1050");
    const second = await backUp(
      { ...server.address, ...account, tls: { mode: "verify-full", ca: authority.certificate } },
      repository,
      { backupId: "backup-3", previous: onTopOf(repository, first.manifest), recipient, clone: "local" },
    );
    const third = await backUp(server.address, repository, {
      backupId: "backup-4",
      previous: onTopOf(repository, second.manifest),
    });
    assert.equal(second.engineFacts.clone.reason, "engines.mysql.clone is local");
    for (const { manifest } of [second, third]) {
      const share = manifest.storedBytes / first.manifest.storedBytes;
      context.diagnostic(`${manifest.backupId} stored ${share.toFixed(4)} of the first`);
      assert.ok(share < 0.05);
    }
  });
});

test("encrypted tables that a local MySQL received come with their keys, as streamed ones do", async (context) => {
  const directory = await serverDirectory(context);
  const basedir = await basedirWithKeyring(path.join(directory, "source"));
  const settings = { innodb_redo_log_encrypt: "ON", innodb_undo_log_encrypt: "ON", default_table_encryption: "ON" };
  await using server = await startMysql({ basedir, settings });
  await server.sql(`ALTER TABLESPACE mysql ENCRYPTION = 'Y'; CREATE DATABASE shop; USE shop;
    CREATE TABLE secrets (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200));
    CREATE TABLE packed (id INT PRIMARY KEY, text VARCHAR(200)) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8;
    INSERT INTO secrets (text) VALUES ('one'), ('two'); INSERT INTO packed SELECT * FROM secrets`);
  const repository = await openFixture(new MemoryObjectStore("encrypted"));
  const recipient = await localRecipient(path.join(directory, "clones"));
  const address = { ...server.address, tls: { mode: "require" } } as const;
  const backup = await backUp(address, repository, { backupId: "backup-1", recipient, clone: "local" });
  const { encryption } = backup.engineFacts;
  assert.ok(encryption.isRedoEncrypted);
  const paths = encryption.files.map(({ path: name }) => name);
  for (const name of ["mysql.ibd", "undo_001", "shop/secrets.ibd", "shop/packed.ibd"]) assert.ok(paths.includes(name));
  const other = await basedirWithKeyring(path.join(directory, "other"));
  await checkRestored(server, repository, backup, path.join(directory, "restored"), { basedir: other, settings });
});

test("a clone by a local MySQL that is broken off, or cannot begin, leaves nothing on this host", async (context) => {
  const directory = await serverDirectory(context);
  await using server = await startMysql();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.huge (id INT PRIMARY KEY)");
  await using proxy = await TcpProxy.start(server.address.port);
  const address = { ...server.address, port: proxy.port };
  const work = path.join(directory, "clones");
  const recipient = await localRecipient(work);
  const repository = await openFixture(new MemoryObjectStore("broken off"));
  const local = { recipient, clone: "local" } as const;

  await context.test("cancelled in the middle, it ends at once, and the server is free for another", async () => {
    const cancelling = new AbortController();
    proxy.limitAnswers(20_000_000, "stall");
    const options = { backupId: "backup-2", ...local, signal: cancelling.signal };
    const cancelled = rejectsWith("CANCELLED", () => backUp(address, repository, options));
    await Promise.race([cancelled, proxy.limitReached()]);
    cancelling.abort();
    await cancelled;
    assert.deepEqual(await leftovers(work), []);
    proxy.unlimited();
    proxy.cut();
    await backUp(server.address, repository, { backupId: "backup-3" });
  });

  await context.test("what a killed agent leaves, the next one removes when it starts", async () => {
    proxy.limitAnswers(20_000_000, "stall");
    const script = fileURLToPath(new URL("../support/backup-process.ts", import.meta.url));
    const child = spawn(process.execPath, [script, JSON.stringify(address), work], { stdio: "inherit" });
    const ended = once(child, "exit");
    await Promise.race([ended, proxy.limitReached()]);
    child.kill("SIGKILL");
    await ended;
    const left = await leftovers(work);
    assert.equal(left.length, 2, "a directory, and a server that uses it");
    await recipient.removeLeftovers();
    assert.deepEqual(await leftovers(work), []);
  });

  await context.test("a plugin of the server that the local MySQL does not have is named", async () => {
    await server.sql("INSTALL PLUGIN validate_password SONAME 'validate_password.so'");
    const basedir = path.join(directory, "basedir");
    const original = await mysqlBasedir();
    for (const [name, target] of [
      ["bin/mysqld", "bin/mysqld"],
      ["lib/plugin/mysql_clone.so", "lib/plugin/mysql_clone.so"],
      ["share", "share"],
    ] as const) {
      await mkdir(path.dirname(path.join(basedir, name)), { recursive: true });
      await symlink(await realpath(path.join(original, target)), path.join(basedir, name));
    }
    const bare = await localRecipient(work, { configuredBasedirs: [basedir] });
    const refused = await rejectsWith("SERVER_REFUSED", () =>
      backUp(server.address, repository, { backupId: "backup-4", clone: "local", recipient: bare }),
    );
    assert.match(refused.message, /plugins that are active there: validate_password \(validate_password\.so\)$/);
    assert.ok(refused.hint?.includes(`${basedir}/lib/plugin`));
    assert.deepEqual(await leftovers(work), []);
    await server.sql("UNINSTALL PLUGIN validate_password");
  });

  await context.test(
    "without room for the data, it is told how much is needed, where, and what changes that",
    async () => {
      await server.stop();
      const sizeBytes = 8 * 2 ** 40; // a hole, but it would be one of this size here, too
      await truncate(path.join(server.dataDirectory, "shop/huge.ibd"), sizeBytes);
      await server.start();
      const refused = await rejectsWith("NOT_ENOUGH_ROOM", () =>
        backUp(server.address, repository, { backupId: "backup-5", ...local }),
      );
      assert.ok(refused.message.startsWith(`${work} has no room to receive a clone`));
      assert.ok(Number(/needs about (\d+) bytes/.exec(refused.message)?.[1]) > sizeBytes);
      assert.match(refused.hint ?? "", /engines\.mysql\.clone_directory/);
      assert.deepEqual(await leftovers(work), []);
    },
  );
});

test("the details of a base backup tell that a MySQL of the agent's host has read it, and why; a fork of it is whole", async () => {
  await using server = await startMysql();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  await using proxy = await TcpProxy.start(server.address.port);
  await using regions = await TestRegions.create();
  refuseStreaming(proxy);
  await regions.attachShop({ engine: "mysql", address: { ...server.address, port: proxy.port } });
  await regions.hasBackups(south, 1);
  await server.sql("INSERT INTO shop.t VALUES (2)");
  await regions.reaches(south, await mysqlClock(server));

  const path = "/project/demo/service/shop/backups";
  const [backup] = (await regions.api.request<Static<typeof backupsAnswer>>("GET", path)).backups;
  const told =
    /a MySQL 9\.7\.4 on the agent's host, since MySQL at \S+ cannot be cloned by streaming: it sent .* 0x104/;
  assert.match(backup?.read_by ?? "", told);
  const name = backup?.backup_name ?? "";
  const manifest = await (await regions.repository(south)).manifest(name);
  assert.equal(manifest.readBy, backup?.read_by);
  const complete = (await regions.events()).find(({ event_type }) => event_type === "backup_complete");
  assert.match(complete?.event_desc ?? "", told);
  const { url, token } = regions.wire;
  const environment = { BTAR_URL: url, BTAR_TOKEN: token, BTAR_PROJECT: "demo" };
  for (const args of [
    ["list", "shop"],
    ["get", "shop", name],
  ]) {
    const { stdout } = await btar(["backup", ...args], { directory: regions.directory, environment });
    assert.match(stdout, told);
  }

  const fork = await forkShop(regions, "latest", { cloud: south });
  assert.deepEqual(await rowsAt(fork, "SELECT id FROM t ORDER BY id"), [[1], [2]]);
});
