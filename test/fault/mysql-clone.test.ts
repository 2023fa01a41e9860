import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { describe, test } from "node:test";
import type { BaseBackupSink, ServerAddress } from "../../src/engine/engine.ts";
import { takeBaseBackup } from "../../src/engine/mysql/base-backup.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { neverAborted } from "../support/backup-fixture.ts";
import { type BackupHooks, withHooks } from "../support/mysql-backup.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { stepsOf } from "../support/steps.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const nothing = () => undefined;
const done = () => Promise.resolve();

/** A sink that keeps nothing. */
const noSink: BaseBackupSink = {
  ...{ directory: nothing, beginFile: nothing, write: nothing, endFile: nothing, drained: nothing, settle: done },
  openFile: () => ({ write: done, finish: done }),
};

async function backUp(address: ServerAddress, hooks: BackupHooks = {}, signal = neverAborted): Promise<void> {
  await takeBaseBackup(address, withHooks(noSink, hooks), { label: "test", signal });
}

async function withAccount(server: TestMysql, name: string, rights: string): Promise<ServerAddress> {
  await server.sql(`CREATE USER ${name}@'%' IDENTIFIED BY 'secret'; GRANT ${rights} ON *.* TO ${name}@'%'`);
  return { ...server.address, user: name, password: "secret" };
}

/** Work of the server that is in clone mode. */
async function cloneSessions(server: TestMysql): Promise<number> {
  const [row] = await server.sql("SELECT COUNT(*) AS n FROM performance_schema.processlist WHERE command = 'Clone'");
  return Number(row?.["n"]);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("what was waited for did not come");
    await delay(20);
  }
}

describe("faults of a MySQL server that is cloned", { concurrency: 2 }, () => {
  test("a server without the plugin, and an account without the privilege, are told what to do", async () => {
    await using bare = await startMysql({ plugins: [] });
    const noPlugin = await rejectsWith("SERVER_REFUSED", () => backUp(bare.address));
    assert.equal(noPlugin.details["errno"], 1524);
    assert.match(noPlugin.hint ?? "", /INSTALL PLUGIN clone SONAME 'mysql_clone\.so';/);
    await bare.sql("INSTALL PLUGIN clone SONAME 'mysql_clone.so'");
    const weak = await withAccount(bare, "weak", "REPLICATION CLIENT, REPLICATION SLAVE");
    const noPrivilege = await rejectsWith("SERVER_REFUSED", () => backUp(weak));
    assert.equal(noPrivilege.details["errno"], 1227);
    assert.match(noPrivilege.hint ?? "", /GRANT BACKUP_ADMIN ON \*\.\* TO 'weak'@'%';/);
    await bare.sql("GRANT BACKUP_ADMIN ON *.* TO weak@'%'");
    await backUp(weak);
  });

  test("a backup waits for another clone to end", async () => {
    await using server = await startMysql();
    const gate = Promise.withResolvers<void>();
    const first = backUp(server.address, { onSettle: async () => await gate.promise });
    await until(async () => (await cloneSessions(server)) > 0);
    const second = backUp(server.address);
    await until(async () => {
      const [row] = await server.sql(`SELECT SUM_ERROR_RAISED AS n
        FROM performance_schema.events_errors_summary_global_by_error WHERE error_number = 3634`);
      return Number(row?.["n"]) > 0;
    });
    gate.resolve();
    await Promise.all([first, second]);
  });

  test("a backup that is cancelled, or cannot be stored, ends at the server at once", async () => {
    await using server = await startMysql();
    const full = new Error("no room");
    const cancelling = new AbortController();
    const cases: readonly (readonly [BackupHooks, (work: () => Promise<void>) => Promise<unknown>])[] = [
      [{ onWrite: () => Promise.reject(full) }, async (work) => await assert.rejects(work, full)],
      [{ onSettle: () => Promise.reject(full) }, async (work) => await assert.rejects(work, full)],
      [{ onWrite: () => new Promise(() => cancelling.abort()) }, async (work) => await rejectsWith("CANCELLED", work)],
    ];
    for (const [hooks, fails] of cases) {
      const steps = await stepsOf(
        async () => await fails(async () => await backUp(server.address, hooks, cancelling.signal)),
      );
      assert.ok(steps < 400, `${steps} steps`);
      await until(async () => (await cloneSessions(server)) === 0);
    }
    await rejectsWith("CANCELLED", () => backUp(server.address, {}, cancelling.signal));
    await backUp(server.address);
  });

  test("a server that restarts in the middle has lost the clone, which can be begun anew", async () => {
    await using server = await startMysql();
    let restart: Promise<void> | undefined;
    const onSettle = async () => {
      restart ??= server.crash().then(async () => await server.start());
      await restart;
    };
    const error = await rejectsWith("SERVER_UNREACHABLE", () => backUp(server.address, { onSettle }));
    assert.match(error.message, /gave the clone up/);
    assert.ok(error.isRetryable);
    await backUp(server.address);
  });

  test("a server that keeps no broken clones ends the backup when the network breaks", async () => {
    await using server = await startMysql({ settings: { clone_donor_timeout_after_network_failure: 0 } });
    await using proxy = await TcpProxy.start(server.address.port);
    const address = { ...server.address, port: proxy.port };
    const onSettle = () => {
      proxy.cut();
      return Promise.resolve();
    };
    const error = await rejectsWith("SERVER_UNREACHABLE", () => backUp(address, { onSettle }));
    assert.ok(error.isRetryable);
  });

  test("privileges that are revoked in the middle are missed when the network breaks", async () => {
    await using server = await startMysql();
    await using proxy = await TcpProxy.start(server.address.port);
    const account = await withAccount(server, "backup", "BACKUP_ADMIN, REPLICATION CLIENT, REPLICATION SLAVE");
    const onWrite = async () => {
      await server.sql("REVOKE BACKUP_ADMIN ON *.* FROM backup@'%'");
      proxy.cut();
    };
    const error = await rejectsWith("SERVER_REFUSED", () => backUp({ ...account, port: proxy.port }, { onWrite }));
    assert.equal(error.details["errno"], 1227);
  });
});
