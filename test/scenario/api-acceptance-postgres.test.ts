/** Checks of the API's contract on a running PostgreSQL service, in their order, with the requests of the real `avn`. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AvnAccount, exits1, type Item, part } from "../support/avn.ts";
import { AvnServices } from "../support/avn-services.ts";
import { rowsAt } from "../support/fork-shop.ts";
import { TestRegions, until } from "../support/regions.ts";

const west = "aws-eu-west-1";
const central = "aws-eu-central-1";
const paris = "aws-eu-west-3";
const pg = { type: "pg", plan: "startup-4" } as const;

let regions: TestRegions;
let services: AvnServices;
before(async () => {
  regions = await TestRegions.create({ clouds: [west, central, paris] });
  services = new AvnServices(regions.wire, "demo");
});
after(async () => {
  await regions[Symbol.asyncDispose]();
});

const configOf = async (name: string) => part(await services.get(name), "user_config");
const uriOf = async (name: string) => part<string>(await services.get(name), "service_uri");
const ids = async (name: string) => (await rowsAt(await uriOf(name), "select id from t order by id")).flat();
const additionalClouds = async () =>
  (await services.backupList("db1")).map((backup) =>
    part<readonly Item[]>(backup, "additional_regions").map(({ cloud }) => cloud),
  );

async function becomes(name: string, state: string): Promise<void> {
  await until(`${name} is ${state}`, async () => (await services.get(name))["state"] === state);
}

/** The time of the server, once the copy reaches it. */
async function copiedNow(): Promise<string> {
  const time = `to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US')`;
  const [[text] = []] = await rowsAt(await uriOf("db1"), `select ${time}`);
  await regions.reaches(central, new Date(`${String(text).replace(" ", "T").slice(0, 23)}Z`), "db1");
  return String(text);
}

test("8, 13, 14: a service is created with a copy in another cloud, and seen through its states", async () => {
  const config = { pg_version: "17", additional_backup_regions: `["${central}"]` };
  const begun = await services.create("db1", { ...pg, cloud: west, config });
  const seen = [begun["state"], ...(await services.wait("db1"))];
  assert.deepEqual(
    seen.filter((state, index) => state !== seen[index - 1]),
    ["REBUILDING", "RUNNING"],
  );
  const { pg_version, additional_backup_regions } = await configOf("db1");
  assert.deepEqual([pg_version, additional_backup_regions], ["17", [central]]);
  assert.equal((await services.list()).length, 1);
});

test("15: its URI takes a client to it, and is made of what connection-info reads, too", async () => {
  const uri = await uriOf("db1");
  assert.equal(await services.pgUri("db1"), uri);
  await rowsAt(uri, "create table t as select 1 as id");
  assert.deepEqual(await ids("db1"), [1]);
});

test("16: backup-list has all columns, and the additional cloud once its copy can be restored", async () => {
  await until("the copy is complete", async () => (await additionalClouds())[0]?.[0] === central);
  const [backup = {}] = await services.backupList("db1");
  assert.deepEqual(part(backup, "additional_regions"), [
    { cloud: central, region: "eu-central-1", paused: false, pause_reason: null },
  ]);
  assert.equal(backup["storage_location"], west);
  assert.ok(Number.isInteger(backup["data_size"]));
  assert.deepEqual(part(await services.get("db1"), "backups"), [backup]);
});

test("17: the additional cloud is changed at once, and turned off; primary backups stay listed", async () => {
  await services.update("db1", { config: { additional_backup_regions: `["${paris}"]` } });
  assert.deepEqual((await configOf("db1"))["additional_backup_regions"], [paris]);
  await services.update("db1", { config: { additional_backup_regions: "[]" } });
  await until("no copy is offered", async () => (await additionalClouds()).every((clouds) => clouds.length === 0));
  assert.equal((await services.backupList("db1")).length, 1);
  await services.update("db1", { config: { additional_backup_regions: `["${central}"]` } });
});

test("18: a setting is set, refused and removed, and others stay", async () => {
  const before = await configOf("db1");
  await services.update("db1", { config: { backup_hour: "5" } });
  assert.deepEqual(await configOf("db1"), { ...before, backup_hour: 5 });
  await exits1(services.update("db1", { config: { backup_hour: "24" } }), 400, /backup_hour value '24'/);
  await services.update("db1", { removeOption: "backup_hour" });
  assert.deepEqual(await configOf("db1"), before);
});

test("19: a service is powered off, and on again with its data", async () => {
  await services.update("db1", { powered: false });
  await becomes("db1", "POWEROFF");
  const { state } = await services.update("db1", { powered: true });
  assert.equal(state, "REBUILDING");
  await services.wait("db1");
  assert.deepEqual(await ids("db1"), [1]);
});

test("20: a protected service is neither terminated nor powered off", async () => {
  await services.update("db1", { isProtected: true });
  await exits1(services.terminate("db1"), 403, /^Error: Service is protected against termination and shutdown\./);
  await exits1(services.update("db1", { powered: false }), 403, /Service is protected/);
  const { termination_protection } = await services.update("db1", { isProtected: false });
  assert.equal(termination_protection, false);
});

test("21: plan and maintenance window are changed", async () => {
  const maintenance = { dow: "monday", time: "01:02:03" };
  await services.update("db1", { plan: "business-4", maintenance });
  const service = await services.get("db1");
  assert.deepEqual([service["plan"], service["node_count"]], ["business-4", 2]);
  assert.deepEqual(service["maintenance"], { ...maintenance, enabled: true, updates: [] });
  assert.match(await services.maintenanceStart("db1"), /no maintenance updates/);
  assert.deepEqual(await services.tags("db1", { team: "a" }), { team: "a" });
  await services.wait("db1");
});

test("24: users are created, told, given other passwords and deleted, and logins follow", async () => {
  const created = await services.userCreate("db1", "bob");
  const logIn = async (password: unknown) => {
    const uri = new URL(await uriOf("db1"));
    [uri.username, uri.password] = ["bob", String(password)];
    return await rowsAt(uri.toString(), "select current_user");
  };
  const canLogIn = (password: unknown) =>
    until("bob can log in", async () => {
      const rows = await logIn(password).catch(() => []);
      return rows[0]?.[0] === "bob";
    });
  await canLogIn(created["password"]);
  await exits1(services.userCreate("db1", "bob"), 409, /already exists/);
  assert.deepEqual(
    (await services.userList("db1")).map(({ username, type }) => [username, type]),
    [
      ["avnadmin", "primary"],
      ["bob", "normal"],
    ],
  );
  await services.userPasswordReset("db1", "bob");
  const { password } = await services.userGet("db1", "bob");
  assert.notEqual(password, created["password"]);
  await services.userPasswordReset("db1", "bob", "12345678");
  await canLogIn("12345678");
  await exits1(services.userPasswordReset("db1", "bob", "1234567"), 400, /new_password/);
  await services.userDelete("db1", "bob");
  await exits1(services.userGet("db1", "bob"), 404, /'bob' does not exist/);
  await until("bob cannot log in", async () => (await logIn("12345678").catch(() => [])).length === 0);
  await services.credentialsReset("db1");
  await until("the administrator can log in", async () => {
    const rows = await ids("db1").catch(() => []);
    return rows.length === 1;
  });
});

test("25: databases are created, listed and deleted", async () => {
  await services.databaseCreate("db1", "d1");
  assert.deepEqual(await services.databaseList("db1"), ["d1", "defaultdb"]);
  await exits1(services.databaseCreate("db1", "d1"), 409, /already exists/);
  await services.databaseDelete("db1", "d1");
  await exits1(services.databaseDelete("db1", "d1"), 404, /'d1' does not exist/);
  await services.wait("db1");
});

test("22, 23: forks from the copy hold all of it, or up to a time, while the primary's storage is unreachable", async () => {
  await rowsAt(await uriOf("db1"), "insert into t values (2)");
  await until("the copy can be restored", async () => (await additionalClouds())[0]?.[0] === central);
  const at = await copiedNow();
  await rowsAt(await uriOf("db1"), "insert into t values (3)");
  await copiedNow();
  regions.store(west).failWith("STORE_UNREACHABLE");
  const from = { cloud: central, forkFrom: "db1" };
  await services.create("fork1", { ...pg, ...from });
  await services.create("fork2", { ...pg, ...from, plan: "business-4", recoveryTargetTime: at });
  const withZone = `${at.replace(" ", "T")}+00:00`;
  await services.create("fork3", { ...pg, ...from, recoveryTargetTime: withZone });
  for (const fork of ["fork1", "fork2", "fork3"]) await services.wait(fork);
  regions.store(west).heal();
  assert.deepEqual(await ids("fork1"), [1, 2, 3]);
  assert.deepEqual(await ids("fork2"), [1, 2]);
  assert.deepEqual(await ids("fork3"), [1, 2]);
  const config = await configOf("fork3");
  assert.deepEqual([config["service_to_fork_from"], config["recovery_target_time"]], ["db1", withZone]);
  const fork = (changes: object) => services.create("fork4", { ...pg, ...from, ...changes });
  await exits1(fork({ recoveryTargetTime: "2020-01-01T00:00:00Z" }), 400, /choose a time from/);
  await exits1(fork({ recoveryTargetTime: "2099-01-01 00:00:00" }), 400, /choose a time from/);
  await exits1(fork({ forkFrom: "none" }), 400, /there is no such service/);
  await regions.stopAgent(paris); // so that nobody builds what is created there
  await services.create("young", { ...pg, cloud: paris });
  await exits1(fork({ cloud: paris, forkFrom: "young" }), 400, /No valid backups for service young/);
});

test("26: logs, metrics, events and the report of the copy tell what goes on", async () => {
  await until("the log is told", async () => (await services.logs("db1", 500)).lines.length > 5);
  const newest = await services.logs("db1", 5);
  assert.equal(newest.lines.length, 5);
  assert.equal(newest.lines[0]?.["hostname"], "db1-1");
  await rowsAt(await uriOf("db1"), "select 1 / 0 as marker").catch(() => []);
  await until("what comes is told from the offset on", async () => {
    const { lines } = await services.logs("db1", 500, newest.offset ?? "");
    return lines.some(({ msg }) => /division by zero/.test(String(msg)));
  });
  for (const period of ["hour", "day", "week", "month", "year"]) {
    const report = await regions.wire.avn("POST", "/project/demo/service/db1/backup_to_another_region/report", {
      period,
    });
    assert.equal(report.status, 200);
    assert.ok("metrics" in report.body);
    await services.metrics("db1", period);
  }
  await exits1(services.metrics("db1", "decade"), 400, /period/);
  assert.deepEqual(await services.metrics("young", "year"), {});
  const events = await new AvnAccount(regions.wire, "demo").events(100);
  const times = events.map(({ time }) => String(time));
  assert.deepEqual(times, times.toSorted().toReversed());
  assert.ok(
    events.some(
      ({ event_desc }) => event_desc === `Created 'pg' service 'db1' with plan 'startup-4' in cloud '${west}'`,
    ),
  );
  await until("a minute's metrics are there", async () => "cpu_usage" in (await services.metrics("db1", "hour")));
  const metrics = await services.metrics("db1", "hour");
  assert.deepEqual(Object.keys(metrics).toSorted(), [
    ...["cpu_usage", "disk_usage", "diskio_read", "diskio_writes", "load_average", "mem_usage"],
  ]);
  const { cols, rows } = part<{ cols: unknown; rows: [string, number | null][] }>(part(metrics, "mem_usage"), "data");
  assert.deepEqual(cols, [
    { label: "time", type: "date" },
    { label: "db1-1 (master)", type: "number" },
  ]);
  const [time = "", percent = 0] = rows.at(-1) ?? [];
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  assert.ok((percent ?? 0) > 0.1 && (percent ?? 0) < 100, `${percent} %`);
});

test("what clients ask before an upgrade or a migration is answered honestly, in both forms", async () => {
  const older = await services.task("db1", { task_type: "upgrade_check", target_version: "18" });
  const newer = await services.task("db1", { task_type: "upgrade_check", upgrade_check: { target_version: "18" } });
  assert.match(String(older["result"]), /db1 stays with PostgreSQL 17.*Create a service of version 18/);
  assert.deepEqual([newer["success"], newer["result"]], [false, older["result"]]);
  const same = await services.task("db1", { task_type: "upgrade_check", target_version: "17" });
  assert.equal(same["success"], true);
  const migration = { source_service_uri: "postgres://u:secret@192.0.2.1/d", ignore_dbs: "x" };
  const moved = await services.task("db1", { task_type: "migration_check", migration_check: migration });
  assert.equal(moved["success"], false);
  assert.doesNotMatch(JSON.stringify(moved), /secret/);
  await exits1(services.task("db1", { task_type: "upgrade_check" }), 400, /target_version/);
});

test("27: a fork is terminated, and its name can be used again", async () => {
  await services.terminate("fork1");
  await exits1(services.get("fork1"), 404, /Service not found: fork1/);
  await services.create("fork1", { ...pg, cloud: paris });
});
