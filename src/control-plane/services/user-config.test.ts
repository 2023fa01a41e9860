import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { changedConfig, refuseCreateOnly, refuseForkSettings, refuseUserName, type UserConfig } from "./user-config.ts";

const rules = { engine: "pg", versions: ["17", "18"], maxRegions: 2, kind: "managed" } as const;

test("a change replaces keys, goes into pg, and null removes", () => {
  const current = { backup_hour: 3, pg: { jit: true, max_connections: 100 }, pg_version: "18" };
  assert.deepEqual(changedConfig(current, { backup_minute: 5, pg: { jit: null } }, rules), {
    backup_hour: 3,
    backup_minute: 5,
    pg: { max_connections: 100 },
    pg_version: "18",
  });
});

test("X1: a refusal names the key, the value and what would be accepted", async () => {
  const refusals: readonly (readonly [UserConfig, RegExp])[] = [
    [{ nope: 1 }, /'nope' is not a known key.*additional_backup_regions/],
    [{ nope: null }, /'nope' is not a known key/],
    [{ pg: { nope: 1 } }, /'pg\.nope' is not a known key/],
    [{ pg: { nope: null } }, /'pg\.nope' is not a known key/],
    [{ pg: 5 }, /pg value '5'/],
    [{ backup_hour: 24 }, /backup_hour value '24': must be <= 23/],
    [{ backup_hour: "3" }, /backup_hour value '3'/],
    [{ backup_interval_hours: 5 }, /backup_interval_hours value '5'.*3, 4, 6, 8, 12, 24/],
    [{ pg_version: "99" }, /pg_version value '99'.*17, 18/],
    [{ pg: { max_connections: 3 } }, /pg\.max_connections value '3': must be >= 25/],
    [{ additional_backup_regions: "local-south" }, /additional_backup_regions value 'local-south': must be array/],
    [{ additional_backup_regions: ["a-b", "a-c", "a-d"] }, /additional_backup_regions.*more than 2/],
    [{ ip_filter: ["/32"] }, /ip_filter value '\/32'/],
    [{ ip_filter: ["10.0.0.0/33"] }, /ip_filter value '10\.0\.0\.0\/33'/],
    [{ ip_filter: ["2001:db8::/129"] }, /ip_filter value/],
    [{ ip_filter: [{ network: "10.0.0.0/8", nope: 1 }] }, /ip_filter/],
    [{ admin_username: "postgres" }, /'postgres' is reserved/],
    [{ admin_username: "pg_boss" }, /'pg_boss' is reserved/],
  ];
  for (const [change, wanted] of refusals) {
    const error = await rejectsWith(change["admin_username"] ? "INVALID_INPUT" : "INVALID_USER_CONFIG", () =>
      changedConfig({}, change, rules),
    );
    assert.match(`${error.message} (${error.hint})`, wanted);
  }
});

test("a password is not repeated in the refusal of it", async () => {
  const error = await rejectsWith("INVALID_USER_CONFIG", () =>
    changedConfig({}, { admin_password: "säcret!!!" }, rules),
  );
  assert.doesNotMatch(`${error.message} ${error.hint}`, /cret!!!/);
});

test("networks of both families are taken, as texts and as objects", () => {
  const ip_filter = ["0.0.0.0/0", "::/0", "192.0.2.1", { network: "2001:db8::/32", description: "office" }];
  assert.deepEqual(changedConfig({}, { ip_filter }, rules), { ip_filter });
});

test("of an attached service only what is about backups can be set", async () => {
  const attached = { ...rules, kind: "attached" } as const;
  assert.deepEqual(changedConfig({}, { backup_hour: 3 }, attached), { backup_hour: 3 });
  const error = await rejectsWith("INVALID_USER_CONFIG", () => changedConfig({}, { work_mem: 4 }, attached));
  assert.match(error.message, /work_mem/);
});

test("keys that only count at creation can be repeated, not changed", async () => {
  const current = { service_to_fork_from: "shop" };
  refuseCreateOnly("pg", current, { service_to_fork_from: "shop", admin_username: null });
  for (const change of [
    { service_to_fork_from: "other" },
    { service_to_fork_from: null },
    { admin_password: "12345678" },
  ]) {
    await rejectsWith("INVALID_USER_CONFIG", () => refuseCreateOnly("pg", current, change));
  }
});

const mysqlRules = { engine: "mysql", versions: ["8.4", "9.7"], maxRegions: 2, kind: "managed" } as const;

test("X1: settings of MySQL services are checked as those of PostgreSQL's", async () => {
  const config = { mysql: { max_connections: 200, default_time_zone: "+02:00" }, mysql_version: "9.7", backup_hour: 3 };
  assert.deepEqual(changedConfig({}, config, mysqlRules), config);
  const refusals: readonly (readonly [UserConfig, RegExp])[] = [
    [{ pg_version: "18" }, /'pg_version' is not a known key.*mysql_version/],
    [{ mysql: { jit: true } }, /'mysql\.jit' is not a known key.*max_connections/],
    [{ mysql_version: "8" }, /mysql_version value '8'.*8\.4, 9\.7/],
    [{ mysql: { max_connections: 3 } }, /mysql\.max_connections value '3': must be >= 30/],
    [{ ip_filter: ["10.0.0.0/33"] }, /ip_filter value '10\.0\.0\.0\/33'/],
    [{ additional_backup_regions: ["a-b", "a-c", "a-d"] }, /additional_backup_regions.*more than 2/],
  ];
  for (const [change, wanted] of refusals) {
    const error = await rejectsWith("INVALID_USER_CONFIG", () => changedConfig({}, change, mysqlRules));
    assert.match(`${error.message} (${error.hint})`, wanted);
  }
});

test("names that MySQL or btar keep for themselves are no users, nor those that MySQL finds too long", async () => {
  for (const name of ["root", "ROOT", "mysql.sys", "mysql.anything", "btar_internal"]) {
    const error = await rejectsWith("INVALID_INPUT", () => refuseUserName("mysql", name));
    assert.match(error.message, /is reserved/);
  }
  refuseUserName("mysql", "postgres");
  refuseUserName("mysql", "x".repeat(32));
  const error = await rejectsWith("INVALID_INPUT", () => refuseUserName("mysql", "x".repeat(33)));
  assert.match(`${error.message} (${error.hint})`, /has 33 characters \(MySQL takes at most 32\)/);
  refuseUserName("pg", "x".repeat(63));
});

test("whether MySQL minds the case of table names is decided once, and a fork has it from its source", async () => {
  const current = { mysql: { lower_case_table_names: 1, max_connections: 200 } };
  refuseCreateOnly("mysql", current, { mysql: { lower_case_table_names: 1, max_connections: null } });
  refuseCreateOnly("mysql", { mysql: { max_connections: 200 } }, { mysql: null });
  refuseForkSettings("mysql", current, { mysql: { max_connections: 100 }, mysql_version: "9.7" });
  for (const mysql of [{ lower_case_table_names: 0 }, { lower_case_table_names: null }, null]) {
    const changed = await rejectsWith("INVALID_USER_CONFIG", () => refuseCreateOnly("mysql", current, { mysql }));
    assert.match(changed.message, /mysql\.lower_case_table_names: it can only be given when/);
    const forked = await rejectsWith("INVALID_USER_CONFIG", () => refuseForkSettings("mysql", current, { mysql }));
    assert.match(forked.message, /mysql\.lower_case_table_names: a fork has its source's/);
  }
});
