import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { after, before, describe, test } from "node:test";
import type { PreflightFinding, ServerAddress } from "../../src/engine/engine.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { LogRecorder } from "../support/log-recorder.ts";
import { freePort } from "../support/free-ports.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";

const driver = new PostgresSourceDriver();
const password = "pässword' 1";
const authority = createAuthority("test authority");
const signal = AbortSignal.timeout(500_000);

/** Takes a base backup that nobody keeps. */
async function takeBackup(address: ServerAddress): Promise<number> {
  let files = 0;
  const sink = {
    directory: () => undefined,
    beginFile: () => undefined,
    write: () => undefined,
    endFile: () => {
      files += 1;
    },
    drained: () => undefined,
  };
  await driver.takeBaseBackup(address, sink, { label: "test", signal });
  return files;
}

const checks = (findings: readonly PreflightFinding[]) => findings.map(({ check, severity }) => `${severity} ${check}`);

describe("a server with TLS, passwords, and a role that has only LOGIN and REPLICATION", { concurrency: false }, () => {
  let server: TestPostgres;
  let address: ServerAddress;

  before(async () => {
    const tls = issueCertificate(authority, { commonName: "db", hosts: ["localhost"], days: 2 });
    server = await startPostgres({
      majorVersion: "18",
      tls,
      settings: { fsync: "on", max_slot_wal_keep_size: "10GB", summarize_wal: "on" },
      hba: [
        "host all postgres 127.0.0.1/32 trust",
        "hostssl all btar 127.0.0.1/32 scram-sha-256",
        "hostssl replication btar 127.0.0.1/32 scram-sha-256",
      ],
    });
    await server.sql(`create role btar login replication password '${password.replaceAll("'", "''")}'`);
    const tlsChoice = { mode: "verify-full", ca: authority.certificate } as const;
    address = { ...server.address, host: "localhost", user: "btar", password, tls: tlsChoice };
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("passes preflight, and is backed up over TLS", async () => {
    assert.deepEqual(await driver.preflight(address, { signal }), []);
    assert.ok((await takeBackup(address)) > 900);
    await driver.ensureReservation(address, { reservation: "btar", signal });
    const recorder = new LogRecorder(await driver.streamLog(address, { reservation: "btar", from: undefined, signal }));
    await recorder.until(({ caughtUp }) => caughtUp !== undefined);
    await recorder.close();
    await driver.dropReservation(address, { reservation: "btar", signal });
  });

  test("each tls mode checks what its name says", async () => {
    const other = createAuthority("another authority").certificate;
    const byAddress = { ...address, host: "127.0.0.1" };
    const ca = authority.certificate;
    await driver.identify({ ...byAddress, tls: { mode: "require" } }, { signal });
    await driver.identify({ ...byAddress, tls: { mode: "verify-ca", ca } }, { signal });
    for (const refused of [
      { ...byAddress, tls: { mode: "verify-full", ca } },
      { ...address, tls: { mode: "verify-full", ca: other } },
      { ...address, tls: { mode: "verify-ca", ca: other } },
      { ...address, tls: { mode: "verify-full" } },
    ] as const) {
      const error = await rejectsWith("SERVER_REFUSED", () => driver.identify(refused, { signal }));
      assert.match(error.message, /certificate .* is not trusted/);
      const [finding] = await driver.preflight(refused, { signal });
      assert.equal(finding?.check, "tls");
    }
  });

  test("without TLS it is told which line of pg_hba.conf is missing", async () => {
    const [finding, ...others] = await driver.preflight({ ...address, tls: { mode: "disable" } }, { signal });
    assert.deepEqual(others, []);
    assert.equal(finding?.check, "pg_hba");
    assert.match(finding.message, /no pg_hba.conf entry/);
    assert.match(finding.fix, /^host postgres btar ADDRESS scram-sha-256 # .*pg_reload_conf/);
  });

  test("a wrong password and a missing one are told apart", async () => {
    const wrong = await rejectsWith("SERVER_REFUSED", () => driver.identify({ ...address, password: "x" }, { signal }));
    assert.match(wrong.message, /password authentication failed for user "btar"/);
    const none = { ...address, password: undefined };
    const missing = await rejectsWith("SERVER_REFUSED", () => driver.identify(none, { signal }));
    assert.match(missing.message, /asks for the password of btar, and none is given/);
    assert.deepEqual(checks(await driver.preflight(none, { signal })), ["error authentication"]);
  });

  test("a role without REPLICATION is told the statement that gives it", async () => {
    await server.sql("alter role btar noreplication");
    const findings = await driver.preflight(address, { signal });
    assert.deepEqual(checks(findings), ["error privilege"]);
    assert.equal(findings[0]?.fix, "ALTER ROLE btar REPLICATION;");
    await rejectsWith("SERVER_REFUSED", () => takeBackup(address));
    await server.sql("alter role btar replication");
  });

  test("a database that does not exist is named", async () => {
    const findings = await driver.preflight({ ...address, database: "Missing" }, { signal });
    assert.deepEqual(checks(findings), ["error database"]);
    assert.match(findings[0]?.fix ?? "", /^CREATE DATABASE "Missing";/);
  });
});

test("preflight lists everything that a badly configured server lacks", async () => {
  await using server = await startPostgres({
    majorVersion: "14",
    settings: {
      wal_level: "minimal",
      max_wal_senders: 0,
      max_replication_slots: 1,
      full_page_writes: "off",
      synchronous_standby_names: "*",
    },
  });
  const findings = await driver.preflight(server.address, { signal });
  assert.deepEqual(checks(findings), [
    "error wal_level",
    "error senders",
    "error full_page_writes",
    "warning fsync",
    "warning data_checksums",
    "warning synchronous_standby_names",
    "warning max_slot_wal_keep_size",
  ]);
  for (const finding of findings) assert.match(finding.fix, /ALTER SYSTEM SET|pg_checksums --enable/);
  await server.sql("alter system set wal_level = 'replica'");
  const [walLevel] = findings;
  assert.equal(walLevel?.fix, "ALTER SYSTEM SET wal_level = 'replica'; -- then restart");
});

test("preflight finds that no slot is free, and a line for replication is missing", async () => {
  await using server = await startPostgres({
    majorVersion: "18",
    settings: { max_replication_slots: 1, max_wal_senders: 1, idle_replication_slot_timeout: "1d" },
    hba: ["host all all 127.0.0.1/32 trust"],
  });
  await server.sql("select pg_create_physical_replication_slot('taken')");
  const findings = await driver.preflight(server.address, { signal });
  const errors = findings.filter(({ severity }) => severity === "error");
  assert.deepEqual(checks(errors), ["error senders", "error slots", "error pg_hba"]);
  assert.ok(checks(findings).includes("warning idle_replication_slot_timeout"));
  assert.match(errors[2]?.fix ?? "", /^host replication postgres 127\.0\.0\.1\/32 scram-sha-256 #/);
});

test("a server that lets everybody in is warned of", async () => {
  await using server = await startPostgres({ majorVersion: "17" });
  const finding = (await driver.preflight(server.address, { signal })).find(({ check }) => check === "authentication");
  assert.equal(finding?.severity, "warning");
  assert.match(finding.message, /lets postgres replicate from 127\.0\.0\.1 without a password/);
});

describe("what is no PostgreSQL server", { concurrency: true }, () => {
  const address = (port: number): ServerAddress => ({
    host: "127.0.0.1",
    port,
    user: "btar",
    database: "postgres",
    tls: { mode: "disable" },
  });
  const listen = async (
    onConnection: Parameters<typeof createServer>[1],
  ): Promise<{ server: Server; port: number }> => {
    const port = await freePort();
    const server = createServer(onConnection);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return { server, port };
  };

  test("a closed port is unreachable", async () => {
    const closed = address(await freePort());
    const error = await rejectsWith("SERVER_UNREACHABLE", () => driver.identify(closed, { signal }));
    assert.match(error.message, /ECONNREFUSED/);
    assert.deepEqual(checks(await driver.preflight(closed, { signal })), ["error reachability"]);
  });

  test("one that says nothing is given up on after 15 s", async () => {
    const { server, port } = await listen(() => undefined);
    const startedAt = Date.now();
    const error = await rejectsWith("SERVER_UNREACHABLE", () => driver.identify(address(port), { signal }));
    assert.match(error.message, /no answer within 15 s/);
    assert.ok(Date.now() - startedAt >= 14_900);
    server.close();
  });

  test("waiting for it can be cancelled", async () => {
    const cancelling = new AbortController();
    const { server, port } = await listen(() => cancelling.abort());
    await rejectsWith("CANCELLED", () => driver.identify(address(port), { signal: cancelling.signal }));
    server.close();
  });

  test("one that hangs up, or speaks something else, is told as such", async () => {
    const silent = await listen((socket) => socket.destroy());
    await rejectsWith("SERVER_UNREACHABLE", () => driver.identify(address(silent.port), { signal }));
    silent.server.close();
    const web = await listen((socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    const overTls = { ...address(web.port), tls: { mode: "require" } } as const;
    await rejectsWith("SERVER_PROTOCOL", () => driver.identify(overTls, { signal }));
    await rejectsWith("SERVER_UNREACHABLE", () => driver.identify(address(web.port), { signal }));
    web.server.close();
  });

  test("plain text put before the encrypted stream is refused", async () => {
    const { server, port } = await listen((socket) => socket.once("data", () => socket.write("SERROR")));
    await rejectsWith("SERVER_PROTOCOL", () =>
      driver.identify({ ...address(port), tls: { mode: "require" } }, { signal }),
    );
    server.close();
  });

  test("a server without TLS is refused when TLS is wanted", async () => {
    await using server = await startPostgres({ majorVersion: "16" });
    const wanted = { ...server.address, tls: { mode: "verify-full" } } as const;
    const error = await rejectsWith("SERVER_REFUSED", () => driver.identify(wanted, { signal }));
    assert.match(error.message, /does not offer TLS/);
    assert.match(error.hint ?? "", /ssl = on/);
    assert.deepEqual(checks(await driver.preflight(wanted, { signal })), ["error tls"]);
  });
});
