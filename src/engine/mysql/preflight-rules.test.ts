import assert from "node:assert/strict";
import { test } from "node:test";
import { findingsOf, type PreflightFacts } from "./preflight-rules.ts";

const healthy: PreflightFacts = {
  version: "9.7.4-2",
  account: "'btar'@'%'",
  variables: new Map([
    ["log_bin", "ON"],
    ["server_id", "1"],
    ["gtid_mode", "ON"],
    ["enforce_gtid_consistency", "ON"],
    ["binlog_format", "ROW"],
    ["binlog_row_image", "FULL"],
    ["binlog_checksum", "CRC32"],
    ["binlog_expire_logs_seconds", "2592000"],
    ["binlog_expire_logs_auto_purge", "ON"],
    ["sync_binlog", "1"],
    ["log_replica_updates", "ON"],
    ["max_allowed_packet", "67108864"],
  ]),
  clonePlugin: "ACTIVE",
  privileges: new Set(["BACKUP_ADMIN", "REPLICATION SLAVE", "REPLICATION CLIENT"]),
  logFilters: [],
  otherTables: [],
  hasEncryptedTables: false,
  canSendKeys: true,
};

function checksOf(changes: Partial<PreflightFacts>, variables: Readonly<Record<string, string>> = {}) {
  const merged = new Map([...healthy.variables, ...Object.entries(variables)]);
  return findingsOf({ ...healthy, variables: merged, ...changes }).map(({ check, severity, fix }) => [
    check,
    severity,
    fix,
  ]);
}

test("a server that has everything has no findings, nor has one whose version does not know a setting", () => {
  assert.deepEqual(checksOf({}), []);
  const old = new Map(healthy.variables);
  for (const name of ["binlog_expire_logs_auto_purge", "log_replica_updates"]) old.delete(name);
  assert.deepEqual(findingsOf({ ...healthy, version: "8.0.17", variables: old.set("log_slave_updates", "ON") }), []);
  const future = new Map(healthy.variables);
  future.delete("binlog_format");
  assert.deepEqual(findingsOf({ ...healthy, variables: future }), []);
});

test("versions that cannot be cloned, and other products, are refused; newer ones are told", () => {
  for (const version of ["8.0.16", "5.7.44-log", "11.4.2-MariaDB-log", "unknown"]) {
    assert.deepEqual(checksOf({ version }), [["version", "error", "upgrade the server to MySQL 8.0.17 or later"]]);
  }
  assert.deepEqual(
    checksOf({ version: "10.0.1" }).map(([check, severity]) => [check, severity]),
    [["version", "warning"]],
  );
});

test("without a binary log, its settings are of no account", () => {
  const variables = { log_bin: "OFF", gtid_mode: "OFF", binlog_format: "STATEMENT", sync_binlog: "0" };
  assert.deepEqual(
    checksOf({}, variables).map(([check]) => check),
    ["log_bin"],
  );
});

test("gtid_mode is turned on step by step from where it is", () => {
  const fixOf = (mode: string) => checksOf({}, { gtid_mode: mode })[0]?.[2];
  assert.equal(fixOf("ON_PERMISSIVE"), "SET PERSIST gtid_mode = 'ON';");
  assert.match(fixOf("OFF") ?? "", /= 'OFF_PERMISSIVE'; .* = 'ON_PERMISSIVE'; .* = 'ON';$/);
});

test("logs that the server does not remove by itself need no time to be kept", () => {
  assert.deepEqual(
    checksOf({}, { binlog_expire_logs_seconds: "3600" }).map(([check, severity]) => [check, severity]),
    [["binlog_expire_logs_seconds", "warning"]],
  );
  assert.deepEqual(checksOf({}, { binlog_expire_logs_seconds: "0" }), []);
  assert.deepEqual(checksOf({}, { binlog_expire_logs_seconds: "60", binlog_expire_logs_auto_purge: "OFF" }), []);
});

test("encrypted data is cloned over TLS only, so it must be used", () => {
  const privileges = new Set([...healthy.privileges, "PROCESS"]);
  assert.deepEqual(checksOf({ canSendKeys: false, privileges }), []);
  assert.equal(checksOf({ canSendKeys: false, hasEncryptedTables: true })[0]?.[1], "error");
  for (const name of ["innodb_redo_log_encrypt", "innodb_undo_log_encrypt", "default_table_encryption"]) {
    assert.deepEqual(checksOf({ canSendKeys: false }, { [name]: "ON" })[0]?.slice(0, 2), ["tls", "error"], name);
  }
  const [finding] = findingsOf({ ...healthy, canSendKeys: false });
  assert.equal(finding?.severity, "warning");
  assert.match(finding?.fix ?? "", /^attach it with ssl-mode=.*; or, .* GRANT PROCESS ON \*\.\* TO 'btar'@'%';$/);
});

test("of many tables that no clone carries, some are named", () => {
  const otherTables = Array.from({ length: 7 }, (_, index) => ({ name: `\`d\`.\`t${index}\``, engine: "MyISAM" }));
  const [finding] = findingsOf({ ...healthy, otherTables });
  assert.equal(finding?.severity, "warning");
  assert.match(finding?.message ?? "", /`d`\.`t0` \(MyISAM\), .*`t4` \(MyISAM\), and 2 more$/);
  assert.equal(finding?.fix, "ALTER TABLE `d`.`t0` ENGINE = InnoDB; -- and the others");
});
