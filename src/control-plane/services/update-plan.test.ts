import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import type { ServiceRow } from "./find-service.ts";
import { planUpdate, type UpdateBody } from "./update-plan.ts";

const now = new Date("2026-03-01T10:00:00Z");
const running: ServiceRow = {
  id: "00000000-0000-4000-8000-000000000000",
  project: "demo",
  name: "shop",
  engine: "pg",
  kind: "managed",
  cloud: "local-north",
  plan: "startup-4",
  version: "18",
  user_config: { backup_hour: 3, pg: { jit: true } },
  state: "RUNNING",
  trouble: null,
  is_powered: true,
  termination_protection: false,
  maintenance: { dow: "monday", time: "01:02:03" },
  tags: {},
  tech_emails: [],
  disk_space_mb: 81_920,
  host: "127.0.0.1",
  port: 20_000,
  sealed_secrets: "",
  agent_id: "local-north@test",
  forked_from: null,
  system_id: "7",
  generation: 1,
  applied_generation: 1,
  created_at: now,
  updated_at: now,
  rebuilt_at: null,
  regions_changed_at: null,
  deleted_at: null,
};
const plan = (row: ServiceRow, body: UpdateBody) =>
  planUpdate(row, body, {
    rules: { engine: row.engine, versions: ["17", "18"], maxRegions: 2, kind: row.kind },
    askedAdminPassword: undefined,
  });

test("what is the same changes nothing", () => {
  const same = plan(running, {
    plan: "startup-4",
    powered: true,
    cloud: "local-north",
    termination_protection: false,
    maintenance: { time: "01:02:03" },
    user_config: { pg: { jit: true }, backup_hour: 3 },
  });
  assert.deepEqual(same.changed, []);
  assert.equal(same.isServerChange, false);
  assert.equal(same.state, "RUNNING");
});

test("E6: turning on a copy, or another backup time, leaves the server alone", () => {
  const changed = plan(running, { user_config: { additional_backup_regions: ["local-south"], backup_hour: 4 } });
  assert.deepEqual(changed.changed.toSorted(), ["additional_backup_regions", "backup_hour"]);
  assert.equal(changed.isServerChange, false);
  assert.equal(changed.state, "RUNNING");
});

test("settings, plan and networks are brought to the server, which can be used meanwhile", () => {
  for (const body of [
    { plan: "startup-8" },
    { user_config: { pg: { jit: false } } },
    { user_config: { pg: null } },
    { user_config: { ip_filter: ["10.0.0.0/8"] } },
    { user_config: { work_mem: 8 } },
  ]) {
    const changed = plan(running, body);
    assert.equal(changed.isServerChange, true, JSON.stringify(body));
    assert.equal(changed.state, "REBALANCING");
  }
});

test("power-off is shown when it is done, power-on at once", () => {
  const off = plan(running, { powered: false });
  assert.deepEqual([off.state, off.isPowered, off.isServerChange], ["RUNNING", false, true]);
  const on = plan({ ...running, is_powered: false, state: "POWEROFF" }, { powered: true });
  assert.deepEqual([on.state, on.isPowered, on.isServerChange], ["REBUILDING", true, true]);
  const offStill = plan({ ...running, is_powered: false, state: "POWEROFF" }, { plan: "startup-8" });
  assert.equal(offStill.state, "POWEROFF");
});

test("a protected service is not powered off, unless the same request takes the protection away", async () => {
  const guarded = { ...running, termination_protection: true };
  await rejectsWith("SERVICE_PROTECTED", () => plan(guarded, { powered: false }));
  await rejectsWith("SERVICE_PROTECTED", () => plan(running, { powered: false, termination_protection: true }));
  assert.equal(plan(guarded, { powered: false, termination_protection: false }).isPowered, false);
});

test("a service keeps its version", async () => {
  await rejectsWith("INVALID_USER_CONFIG", () => plan(running, { user_config: { pg_version: "17" } }));
  assert.deepEqual(plan(running, { user_config: { pg_version: "18" } }).changed, ["pg_version"]);
});

test("an attached service's server is not btar's to change", async () => {
  const attached: ServiceRow = { ...running, kind: "attached", user_config: {}, agent_id: null };
  await rejectsWith("WRONG_STATE", () => plan(attached, { powered: false }));
  assert.equal(plan(attached, { plan: "business-4" }).isServerChange, false);
});

test("a MySQL service is changed by the keys of MySQL", async () => {
  const mysql: ServiceRow = {
    ...running,
    engine: "mysql",
    version: "9.7",
    user_config: { mysql: { wait_timeout: 60 } },
  };
  const change = (user_config: Record<string, unknown>) =>
    planUpdate(
      mysql,
      { user_config },
      {
        rules: { engine: "mysql", versions: ["9.7"], maxRegions: 2, kind: "managed" },
        askedAdminPassword: undefined,
      },
    );
  assert.equal(change({ mysql: { wait_timeout: 90 } }).isServerChange, true);
  assert.equal(change({ binlog_retention_period: 3600 }).isServerChange, true);
  assert.equal(change({ backup_hour: 4 }).isServerChange, false);
  assert.deepEqual(change({ mysql_version: "9.7" }).changed, ["mysql_version"]);
  await rejectsWith("INVALID_USER_CONFIG", () => change({ mysql_version: "8.4" }));
  await rejectsWith("INVALID_INPUT", () =>
    planUpdate(
      mysql,
      { plan: "pg:startup-4" },
      {
        rules: { engine: "mysql", versions: ["9.7"], maxRegions: 2, kind: "managed" },
        askedAdminPassword: undefined,
      },
    ),
  );
});
