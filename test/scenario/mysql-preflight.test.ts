import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PreflightFinding, ServerAddress } from "../../src/engine/engine.ts";
import { MysqlSourceDriver } from "../../src/engine/mysql/source-driver.ts";
import { createAuthority } from "../../src/platform/certificates.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";

const driver = new MysqlSourceDriver();
const signal = AbortSignal.timeout(500_000);
const needed = "BACKUP_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT";

function preflight(address: ServerAddress): Promise<readonly PreflightFinding[]> {
  return driver.preflight(address, { signal });
}

function accountAt(server: TestMysql, user: string, password = "secret"): ServerAddress {
  return { ...server.address, user, password };
}

function checksOf(findings: readonly PreflightFinding[]): string[] {
  return findings.map(({ check, severity }) => `${severity} ${check}`);
}

describe("what a MySQL server needs for backups", { concurrency: 2 }, () => {
  test("an account with three privileges, its own or by roles that are active, is enough", async () => {
    await using server = await startMysql({ settings: { sync_binlog: 1 } });
    await server.sql(`CREATE USER own IDENTIFIED BY 'secret'; GRANT ${needed} ON *.* TO own`);
    assert.deepEqual(await preflight(accountAt(server, "own")), []);
    assert.deepEqual(await preflight(server.address), []);

    await server.sql(`CREATE ROLE copier, 'log reader'@'%'; GRANT BACKUP_ADMIN ON *.* TO copier;
      GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'log reader'@'%';
      CREATE USER roled IDENTIFIED BY 'secret'; GRANT copier, 'log reader'@'%' TO roled; SET DEFAULT ROLE copier TO roled`);
    const [finding, ...others] = await preflight(accountAt(server, "roled"));
    assert.deepEqual(others, []);
    assert.equal(finding?.check, "privilege");
    assert.equal(finding?.fix, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'roled'@'%';");
    await server.sql("SET DEFAULT ROLE ALL TO roled");
    assert.deepEqual(await preflight(accountAt(server, "roled")), []);

    const identity = await driver.identify(accountAt(server, "own"), { signal });
    const [{ uuid } = {}] = await server.sql("SELECT @@server_uuid AS uuid");
    assert.deepEqual(identity, { version: "9.7.4", majorVersion: "9.7", systemId: uuid });
  });

  test("everything that is missing is named, with the statement that mends it", async () => {
    await using server = await startMysql({
      plugins: [],
      settings: {
        gtid_mode: "OFF",
        enforce_gtid_consistency: "OFF",
        binlog_format: "STATEMENT",
        binlog_row_image: "MINIMAL",
        binlog_checksum: "NONE",
        binlog_expire_logs_seconds: 3600,
        binlog_ignore_db: "scratch",
        log_replica_updates: "OFF",
        max_allowed_packet: 1_048_576,
        sync_binlog: 0,
      },
    });
    await server.sql(`CREATE USER 'o''brien' IDENTIFIED BY 'secret'; CREATE DATABASE d;
      CREATE TABLE d.old (id INT) ENGINE = MyISAM; INSERT INTO d.old VALUES (1); CREATE TABLE d.none (id INT) ENGINE = MyISAM;
      CREATE TABLE d.list (id INT NOT NULL) ENGINE = CSV; INSERT INTO d.list VALUES (1);
      GRANT SELECT ON d.* TO 'o''brien'`);
    const address = accountAt(server, "o'brien");
    const findings = await preflight(address);
    assert.deepEqual(checksOf(findings), [
      "error privilege",
      "error clone_plugin",
      "error max_allowed_packet",
      "warning engine",
      "error enforce_gtid_consistency",
      "error gtid_mode",
      "error binlog_format",
      "warning binlog_row_image",
      "warning binlog_expire_logs_seconds",
      "warning sync_binlog",
      "warning binlog_checksum",
      "warning log_replica_updates",
    ]);
    assert.match(findings[3]?.message ?? "", /come back empty: `d`\.`list` \(CSV\), `d`\.`old` \(MyISAM\)$/);

    for (const { fix } of findings) if (fix.endsWith(";") || fix.includes("; --")) await server.sql(fix);
    const left = await preflight(address);
    assert.deepEqual(checksOf(left), ["warning engine", "error binlog_filter", "warning log_replica_updates"]);
    assert.match(left[0]?.message ?? "", /empty: `d`\.`old` \(MyISAM\)$/);
    assert.match(left[1]?.message ?? "", /leaves databases out: binlog_ignore_db = scratch$/);
  });

  test("a server that cannot be reached, or does not let the account in, is a finding of its own", async () => {
    await using server = await startMysql();
    await server.sql(`CREATE USER known IDENTIFIED BY 'secret'; CREATE USER bound IDENTIFIED BY 'secret' REQUIRE SSL;
      CREATE USER locked IDENTIFIED BY 'secret' ACCOUNT LOCK; GRANT ${needed} ON *.* TO known, bound`);
    const only = async (address: ServerAddress) => {
      const [finding, ...others] = await preflight(address);
      assert.deepEqual(others, []);
      assert.equal(finding?.severity, "error");
      return `${finding?.check}: ${finding?.fix}`;
    };
    const wrong = accountAt(server, "known", "wrong");
    assert.match(await only(wrong), /^authentication: ALTER USER 'known'@'%' IDENTIFIED BY 'PASSWORD'; -- or, if/);
    assert.match(await only(accountAt(server, "locked")), /^connection: unlock the account/);
    assert.match(await only({ ...accountAt(server, "known"), port: 1 }), /^reachability: check that it runs/);
    assert.match(await only({ ...accountAt(server, "known"), database: "nowhere" }), /^database: /);
    const known = accountAt(server, "known");
    const { certificate: ca } = createAuthority("another");
    assert.match(await only({ ...known, tls: { mode: "verify-ca", ca } }), /^tls: give the authority/);
    assert.deepEqual(checksOf(await preflight({ ...known, tls: { mode: "require" } })), ["warning sync_binlog"]);
    assert.match(await only(accountAt(server, "bound")), /if it requires TLS, attach it with ssl-mode/);
  });
});
