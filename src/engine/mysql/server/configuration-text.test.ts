import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import type { ServerSpec } from "../../server.ts";
import { myCnf, quoteSetting, serverSettings } from "./configuration-text.ts";
import { serverDirectory } from "./directory.ts";

const spec: ServerSpec = {
  serviceName: "shop",
  majorVersion: "9.7",
  listenHost: "0.0.0.0",
  port: 13306,
  memoryMb: 4096,
  accounts: { admin: { name: "avnadmin", password: "a" }, internal: { name: "btar_internal", password: "b" } },
  userConfig: {},
  tls: { certificate: "C", privateKey: "K" },
};
const context = {
  directory: serverDirectory("/srv/my data"),
  fileSettings: { lower_case_table_names: "0" },
  version: "9.7.4",
};

function valueOf(name: string, changes: Partial<ServerSpec> = {}, version = "9.7.4"): unknown {
  const settings = serverSettings({ ...spec, ...changes }, { ...context, version });
  return settings.find((setting) => setting.name === name)?.value;
}

function withSettings(mysql: Readonly<Record<string, unknown>>): Partial<ServerSpec> {
  return { userConfig: { mysql } };
}

test("my.cnf has everything that backups need, and lets nobody in until btar does", () => {
  const text = myCnf(serverSettings(spec, context));
  for (const line of [
    "[mysqld]",
    "offline_mode = ON",
    'datadir = "/srv/my data/data"',
    'socket = "mysql.sock"',
    "port = 13306",
    "require_secure_transport = ON",
    'gtid_mode = "ON"',
    'log_bin = "binlog"',
    "sync_binlog = 1",
    "binlog_expire_logs_auto_purge = OFF",
    'loose_plugin_load_add = "mysql_clone.so"',
    'lower_case_table_names = "0"',
  ]) {
    assert.ok(text.split("\n").includes(line), `${line} in\n${text}`);
  }
});

test("memory and connections follow the plan", () => {
  assert.equal(valueOf("innodb_buffer_pool_size", { memoryMb: 256 }), 64 * 1024 * 1024);
  assert.equal(valueOf("innodb_buffer_pool_size"), 2176 * 1024 * 1024);
  assert.equal(valueOf("max_connections", { memoryMb: 256 }), 50);
  assert.equal(valueOf("max_connections"), 204);
});

test("user_config goes before what follows from the plan, and a null is no setting", () => {
  assert.equal(valueOf("max_connections", withSettings({ max_connections: 77 })), 77);
  assert.equal(valueOf("max_connections", withSettings({ max_connections: null })), 204);
  assert.equal(valueOf("slow_query_log", withSettings({ slow_query_log: true })), true);
  assert.equal(valueOf("sql_mode", withSettings({ sql_mode: "ANSI,TRADITIONAL" })), "ANSI,TRADITIONAL");
  assert.equal(valueOf("sql_mode", withSettings({ sql_mode: "" })), "");
  assert.equal(valueOf("binlog_expire_logs_seconds", { userConfig: { binlog_retention_period: 86_400 } }), 86_400);
});

test("the server never removes binary logs by itself, in old versions either", () => {
  assert.equal(valueOf("binlog_expire_logs_auto_purge", {}, "8.0.29"), false);
  assert.equal(valueOf("binlog_expire_logs_auto_purge", {}, "8.0.28"), undefined);
  assert.equal(valueOf("binlog_expire_logs_seconds", {}, "8.0.28"), 0);
});

test("settings that are unknown, out of range or of another type are refused", async () => {
  for (const mysql of [
    { port: 1 },
    { max_connections: 29 },
    { max_connections: "77" },
    { slow_query_log: "on" },
    { sql_mode: "ansi" },
    { default_time_zone: "Europe/Berlin" },
    { log_output: "FILE" },
    { constructor: 1 },
    { lower_case_table_names: 1 }, // the files were made with 0
  ]) {
    const error = await rejectsWith("INVALID_USER_CONFIG", () =>
      serverSettings({ ...spec, userConfig: { mysql } }, context),
    );
    assert.match(error.message, new RegExp(`user_config\\.mysql\\.${Object.keys(mysql)[0]} cannot be`));
  }
  await rejectsWith("INVALID_USER_CONFIG", () => serverSettings({ ...spec, userConfig: { mysql: [] } }, context));
});

test("values are quoted as option files take them", async () => {
  assert.equal(quoteSetting("x", 'a "b" # c'), '"a "b" # c"');
  assert.equal(quoteSetting("x", "C:\\temp"), '"C:\\\\temp"');
  assert.equal(quoteSetting("x", true), "ON");
  await rejectsWith("INVALID_USER_CONFIG", () => quoteSetting("x", "a\nport = 1"));
});

test("services differ in their server id", () => {
  assert.notEqual(valueOf("server_id"), valueOf("server_id", { serviceName: "other" }));
  assert.equal(valueOf("server_id"), valueOf("server_id", { memoryMb: 1024 }));
});
