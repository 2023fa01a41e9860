import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import type { ServerSpec } from "../../server.ts";
import { postgresqlConf } from "./configuration-text.ts";
import { serverDirectory } from "./directory.ts";
import { pgHbaConf } from "./host-access.ts";

const spec: ServerSpec = {
  serviceName: "shop",
  majorVersion: "18",
  listenHost: "10.0.0.5",
  port: 20_001,
  memoryMb: 4096,
  accounts: { admin: { name: "avnadmin", password: "a" }, internal: { name: 'bt"ar', password: "b" } },
  userConfig: {},
  tls: { certificate: "C", privateKey: "K" },
};

test("memory settings follow the plan, and user_config where it says so", () => {
  const byPlan = conf({});
  assert.equal(byPlan.get("shared_buffers"), "'1024MB'");
  assert.equal(byPlan.get("effective_cache_size"), "'2867MB'");
  assert.equal(byPlan.get("maintenance_work_mem"), "'256MB'");
  assert.equal(byPlan.get("work_mem"), "'4MB'");
  assert.equal(byPlan.get("max_connections"), "204");
  const asked = conf({ shared_buffers_percentage: 40, work_mem: 64, pg: { max_connections: 500 } });
  assert.equal(asked.get("shared_buffers"), "'1638MB'");
  assert.equal(asked.get("work_mem"), "'64MB'");
  assert.equal(asked.get("max_connections"), "500");
});

test("a server listens on its address and, for btar, on this host; never on a socket", () => {
  assert.equal(conf({}).get("listen_addresses"), "'10.0.0.5,127.0.0.1'");
  assert.equal(conf({}, { listenHost: "0.0.0.0" }).get("listen_addresses"), "'0.0.0.0'");
  assert.equal(conf({}).get("unix_socket_directories"), "''");
  assert.equal(conf({}).get("port"), "20001");
});

test("WAL is summarized from version 17 on, where PostgreSQL can", () => {
  assert.equal(conf({}, { majorVersion: "17" }).get("summarize_wal"), "on");
  assert.equal(conf({}, { majorVersion: "16" }).has("summarize_wal"), false);
});

test("WAL may take at least two segments, whatever their size", () => {
  const conf64 = postgresqlConf(spec, { ...context, walSegmentBytes: 64 * 2 ** 20 });
  assert.match(conf64, /^min_wal_size = '128MB'$/m);
});

test("values of user_config are quoted, so that none can become a second setting", () => {
  const lines = conf({ pg: { timezone: "it's \\ a zone", jit: false, track_io_timing: "on" } });
  assert.equal(lines.get("timezone"), "'it''s \\\\ a zone'");
  assert.equal(lines.get("jit"), "off");
  assert.equal(lines.get("track_io_timing"), "'on'");
});

test("values with line breaks, unknown settings and values out of range are refused by name", async () => {
  const refused = async (pg: unknown) => (await rejectsWith("INVALID_USER_CONFIG", () => conf({ pg }))).message;
  assert.match(await refused({ timezone: "UTC'\nfsync = 'off" }), /pg\.timezone/);
  assert.match(await refused({ fsync: "off" }), /pg\.fsync/);
  assert.match(await refused({ __proto__: null, constructor: 1 }), /pg\.constructor/);
  assert.match(await refused({ max_connections: 24 }), /pg\.max_connections cannot be 24/);
  assert.match(await refused({ max_connections: "100" }), /pg\.max_connections/);
  assert.match(await refused({ autovacuum_naptime: 1.5 }), /pg\.autovacuum_naptime/);
  assert.match(await refused({ synchronous_commit: "never" }), /pg\.synchronous_commit/);
  assert.match(await refused("max_connections = 1"), /user_config\.pg cannot/);
  const percentage = await rejectsWith("INVALID_USER_CONFIG", () => conf({ shared_buffers_percentage: 90 }));
  assert.match(percentage.message, /shared_buffers_percentage cannot be 90/);
});

test("a setting of null is one that is not set", () => {
  assert.equal(conf({ pg: { max_connections: null }, work_mem: null }).get("max_connections"), "204");
});

test("statement statistics are loaded where the programs have them, else not asked for", () => {
  const asked = { ...spec, userConfig: { pg: { "pg_stat_statements.track": "all" } } };
  const without = postgresqlConf(asked, { ...context, hasStatStatements: false });
  assert.doesNotMatch(without, /pg_stat_statements/);
  assert.match(postgresqlConf(asked, context), /^pg_stat_statements.track = 'all'$/m);
});

test("btar's account comes from this host alone, everyone else over TLS and not for physical replication", () => {
  assert.deepEqual(hba({}), [
    'host all "bt""ar" 127.0.0.1/32 scram-sha-256',
    'host replication "bt""ar" 127.0.0.1/32 scram-sha-256',
    'host all "bt""ar" ::1/128 scram-sha-256',
    'host replication "bt""ar" ::1/128 scram-sha-256',
    'host all "bt""ar" all reject',
    "host replication all all reject",
    "hostssl all all 0.0.0.0/0 scram-sha-256",
    "hostssl all all ::/0 scram-sha-256",
    "host all all all reject",
  ]);
});

test("while a server recovers nobody is let in, and then btar alone", () => {
  const lines = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.ok(lines(pgHbaConf(spec, "nobody")).every((line) => line.endsWith("reject")));
  const admitted = lines(pgHbaConf(spec, "internal")).filter((line) => !line.endsWith("reject"));
  assert.ok(admitted.length > 0 && admitted.every((line) => line.includes('"bt""ar"')));
});

test("ip_filter names networks as texts or as objects; an empty one lets no customer in", () => {
  const networks = (ip_filter: unknown) => hba({ ip_filter }).filter((line) => line.startsWith("hostssl"));
  assert.deepEqual(networks(["10.0.0.0/8", { network: "192.0.2.7", description: "office" }, "2001:db8::/32"]), [
    "hostssl all all 10.0.0.0/8 scram-sha-256",
    "hostssl all all 192.0.2.7/32 scram-sha-256",
    "hostssl all all 2001:db8::/32 scram-sha-256",
  ]);
  assert.deepEqual(networks([]), []);
});

test("what is no network in ip_filter is refused", async () => {
  const bad = [
    "10.0.0.0/33",
    "all",
    "10.0.0.0/8 trust",
    "::/129",
    "fe80::1%eth0",
    7,
    {},
    "10.0.0.0/8\nlocal all all trust",
  ];
  for (const item of bad) await rejectsWith("INVALID_USER_CONFIG", () => hba({ ip_filter: [item] }));
  await rejectsWith("INVALID_USER_CONFIG", () => hba({ ip_filter: "10.0.0.0/8" }));
});

test("passwords stored as MD5 can be used where user_config asks for them", () => {
  assert.ok(hba({ pg: { password_encryption: "md5" } }).includes("hostssl all all 0.0.0.0/0 md5"));
});

const context = { directory: serverDirectory("/srv/shop"), walSegmentBytes: 16 * 2 ** 20, hasStatStatements: true };

function conf(userConfig: Record<string, unknown>, other: Partial<ServerSpec> = {}): ReadonlyMap<string, string> {
  const text = postgresqlConf({ ...spec, ...other, userConfig }, context);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => line.split(" = ") as [string, string]));
}

function hba(userConfig: Record<string, unknown>): string[] {
  const text = pgHbaConf({ ...spec, userConfig }, "everyone");
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}
