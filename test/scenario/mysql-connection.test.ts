import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { ServerAddress, TlsChoice } from "../../src/engine/engine.ts";
import { MysqlConnection } from "../../src/engine/mysql/connection.ts";
import { command, isEndOfResult, packetOf } from "../../src/engine/mysql/packets.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { freePort } from "../support/free-ports.ts";

const authority = createAuthority("test CA");
const signal = AbortSignal.timeout(500_000);
let server: TestMysql;

before(async () => {
  const tls = issueCertificate(authority, { commonName: "test", hosts: ["localhost"], days: 30 });
  server = await startMysql({ password: "it's \\ secret", tls });
});
after(async () => await server[Symbol.asyncDispose]());

function addressWith(changes: Partial<ServerAddress>): ServerAddress {
  return { ...server.address, ...changes };
}

async function logInWith(changes: Partial<ServerAddress>): Promise<string | null | undefined> {
  await using connection = await MysqlConnection.open(addressWith(changes), { signal });
  const row = await connection.queryRow("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
  return row["Value"];
}

const ca = authority.certificate;
const anyTls: TlsChoice = { mode: "require" };

/** MySQL keeps passwords that it has seen in a cache, and then asks for them in another way. */
async function forgetPasswords(): Promise<void> {
  await server.sql("flush privileges");
}

test("a password opens the server without TLS and with it, also after the server has forgotten it", async () => {
  for (const tls of [{ mode: "disable" }, anyTls, { mode: "verify-ca", ca }] satisfies TlsChoice[]) {
    await forgetPasswords();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const cipher = await logInWith({ tls });
      assert.equal(cipher !== "", tls.mode !== "disable", `mode ${tls.mode}, attempt ${attempt}`);
    }
  }
  assert.notEqual(await logInWith({ host: "localhost", tls: { mode: "verify-full", ca } }), "");
});

test("a socket file is as good as a port, however long its path is", async () => {
  const directory = path.join(await mkdtemp(path.join(tmpdir(), "btar-test-")), "long".repeat(30));
  await symlink(path.dirname(server.socket), directory);
  const long = path.join(directory, path.basename(server.socket));
  for (const host of [server.socket, long]) {
    await forgetPasswords();
    await using connection = await MysqlConnection.open(addressWith({ host, port: 0 }), { signal });
    const row = await connection.queryRow("SELECT USER() AS user");
    assert.equal(row["user"], "root@localhost");
  }
  await rm(path.dirname(directory), { recursive: true });
  const error = await rejectsWith("SERVER_UNREACHABLE", async () => await logInWith({ host: long }));
  assert.ok(error.message.startsWith(`MySQL at ${long} cannot be reached`), error.message);
});

test("a wrong password, a missing one, and an unknown account are refused with the server's reason", async () => {
  for (const changes of [{ password: "wrong" }, { password: undefined }, { user: "nobody" }]) {
    for (const tls of [anyTls, { mode: "disable" } as const]) {
      const error = await rejectsWith("SERVER_REFUSED", async () => await logInWith({ ...changes, tls }));
      assert.equal(error.details["errno"], 1045);
      assert.match(error.hint ?? "", /check the password of/);
    }
  }
  const error = await rejectsWith("SERVER_REFUSED", async () => await logInWith({ database: "missing" }));
  assert.equal(error.details["errno"], 1049);
});

test("a certificate of another authority is not trusted", async () => {
  const other = createAuthority("another CA").certificate;
  for (const mode of ["verify-ca", "verify-full"] as const) {
    const tls = { mode, ca: other };
    const error = await rejectsWith("SERVER_REFUSED", async () => await logInWith({ host: "localhost", tls }));
    assert.match(error.message, /the certificate of MySQL at localhost:\d+ is not trusted/);
    await rejectsWith("SERVER_REFUSED", async () => await logInWith({ host: "localhost", tls: { mode } }));
  }
});

test("verify-full wants the name that one connects by in the certificate, verify-ca does not", async () => {
  const host = "127.0.0.1"; // the certificate is for localhost
  const error = await rejectsWith(
    "SERVER_REFUSED",
    async () => await logInWith({ host, tls: { mode: "verify-full", ca } }),
  );
  assert.match(error.message, /IP: 127\.0\.0\.1/);
  assert.notEqual(await logInWith({ host, tls: { mode: "verify-ca", ca } }), "");
});

test("where nobody listens, the server cannot be reached", async () => {
  const port = await freePort();
  const error = await rejectsWith("SERVER_UNREACHABLE", async () => await logInWith({ port }));
  assert.match(error.message, new RegExp(`MySQL at 127\\.0\\.0\\.1:${port} cannot be reached: .*ECONNREFUSED`));
});

/** A server that sends `greeting` and answers nothing. */
async function listenWith(greeting: Buffer): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const listener = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    socket.write(greeting);
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

test("an error instead of a greeting is the server's own", async () => {
  const tooMany = Buffer.concat([Buffer.from([0xff, 0x10, 0x04]), Buffer.from("#08004Too many connections")]);
  await using crowded = await listenWith(packetOf(tooMany, 0));
  const error = await rejectsWith("SERVER_REFUSED", async () => await logInWith({ port: crowded.port }));
  assert.equal(error.details["errno"], 1040);
  assert.match(error.message, /Too many connections/);
});

test("plain text before TLS begins is not taken for the server's", async () => {
  const real = await greetingOf(server.address.port);
  const injected = packetOf(Buffer.from([0, 0, 0, 2, 0, 0, 0]), 2); // "you are in"
  await using liar = await listenWith(Buffer.concat([real, injected]));
  const error = await rejectsWith("SERVER_UNREACHABLE", async () => await logInWith({ port: liar.port, tls: anyTls }));
  assert.match(error.message, /plain text came where TLS begins/);
});

async function greetingOf(port: number): Promise<Buffer> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  const [greeting] = await once(socket, "data");
  socket.destroy();
  return greeting;
}

test("a server without TLS is refused when TLS is asked for", async () => {
  await using plain = await startMysql({ settings: { tls_version: "", auto_generate_certs: "OFF" } });
  await MysqlConnection.open(plain.address, { signal }).then(async (it) => await it[Symbol.asyncDispose]());
  const error = await rejectsWith(
    "SERVER_REFUSED",
    async () => await MysqlConnection.open({ ...plain.address, tls: anyTls }, { signal }),
  );
  assert.match(error.message, /does not offer TLS/);
});

test("whoever cancels ends the log-in and a running statement", async () => {
  await using silent = await listenWith(Buffer.alloc(0));
  const stop = new AbortController();
  const opening = MysqlConnection.open(addressWith({ port: silent.port }), { signal: stop.signal });
  stop.abort();
  await rejectsWith("CANCELLED", async () => await opening);

  const later = new AbortController();
  await using connection = await MysqlConnection.open(server.address, { signal: later.signal });
  const sleeping = connection.query("SELECT SLEEP(60)");
  later.abort();
  await rejectsWith("CANCELLED", async () => await sleeping);
});

test("a statement that takes too long, and a server that ends, are told apart from refusals", async () => {
  await using slow = await MysqlConnection.open(server.address, { signal, queryLimitMs: 200 });
  const error = await rejectsWith("SERVER_UNREACHABLE", async () => await slow.query("SELECT SLEEP(60)"));
  assert.match(error.message, /no answer to a statement within 0\.2 s/);

  await using killed = await MysqlConnection.open(server.address, { signal });
  const { id } = await killed.queryRow("SELECT CONNECTION_ID() AS id");
  const refused = rejectsWith("SERVER_UNREACHABLE", async () => await killed.query("SELECT SLEEP(60)"));
  await server.sql("kill ?", [Number(id)]);
  await refused;
});

test("rows come as text, values are quoted, whatever the server's sql_mode", async () => {
  await server.sql("set global sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
  await using connection = await MysqlConnection.open(server.address, { signal });
  const text = `it's "\\ 😀`;
  const row = await connection.queryRow("SELECT ? AS text, 18446744073709551615 AS number, NULL AS nothing", [text]);
  assert.deepEqual({ ...row }, { text, number: "18446744073709551615", nothing: null });
  assert.deepEqual(await connection.query("DO 1"), []);
  const error = await rejectsWith("SERVER_REFUSED", async () => await connection.query("SELECT nonsense"));
  assert.equal(error.details["errno"], 1054);
  assert.deepEqual(await connection.queryRow("SELECT 1 AS it").then((it) => it["it"]), "1", "it can be used on");
});

for (const tls of [{ mode: "disable" }, anyTls] satisfies TlsChoice[]) {
  test(`a connection with tls mode ${tls.mode} goes on as packets where the library left it`, async () => {
    const connection = await MysqlConnection.open(addressWith({ tls }), { signal });
    await connection.query("SET @kept = 'kept'");
    await using channel = connection.takeOver();
    channel.send(Buffer.from([command.ping]));
    await channel.expectOk();

    channel.send(Buffer.concat([Buffer.from([command.query]), Buffer.from("SELECT @kept")]));
    assert.deepEqual(await channel.nextPayload(), Buffer.from([1]), "one column");
    await channel.nextHeader(); // its description, which nobody reads
    assert.ok(isEndOfResult(await channel.nextPayload()));
    await channel.nextHeader();
    assert.deepEqual(await channel.read(5), Buffer.from("\x04kept"));
    assert.equal(channel.isPacketOver, true);
    assert.ok(isEndOfResult(await channel.nextPayload()));

    channel.send(Buffer.concat([Buffer.from([command.query]), Buffer.from("SELECT nonsense")]));
    const error = await rejectsWith("SERVER_REFUSED", async () => await channel.expectOk());
    assert.equal(error.details["errno"], 1054);
  });

  test(`a value of 40 MiB comes in parts with tls mode ${tls.mode}`, async () => {
    await server.sql("set global max_allowed_packet = 1073741824");
    const connection = await MysqlConnection.open(addressWith({ tls }), { signal });
    await using channel = connection.takeOver();
    channel.send(
      Buffer.concat([Buffer.from([command.query]), Buffer.from("SELECT REPEAT('0123456789abcdef', 2621440)")]),
    );
    for (let packet = 0; packet < 3; packet += 1) await channel.nextPayload();
    const header = await channel.nextHeader();
    assert.equal(header.payloadBytes, 0xff_ff_ff);
    assert.deepEqual(await channel.read(9), Buffer.from([0xfe, 0, 0, 0x80, 2, 0, 0, 0, 0]), "the length of the value");
    let bytes = 0;
    for (let part = await channel.fragment(); part; part = await channel.fragment()) {
      assert.equal(part[0], "0123456789abcdef".charCodeAt(bytes % 16));
      bytes += part.length;
    }
    assert.equal(bytes, 40 * 1024 * 1024);
    assert.ok(isEndOfResult(await channel.nextPayload()));
    channel.send(Buffer.from([command.ping]));
    await channel.expectOk();
  });
}

test("the end of the connection, silence and the signal settle whoever waits for a packet", async () => {
  const stop = new AbortController();
  const open = async () => (await MysqlConnection.open(server.address, { signal: stop.signal })).takeOver();
  await using dropped = await open();
  dropped.send(Buffer.from([command.quit]));
  await rejectsWith("SERVER_UNREACHABLE", async () => await dropped.nextHeader());
  await rejectsWith("SERVER_UNREACHABLE", async () => await dropped.nextHeader());

  const connection = await MysqlConnection.open(server.address, { signal });
  await using silent = connection.takeOver({ silenceLimitMs: 100 });
  const error = await rejectsWith("SERVER_UNREACHABLE", async () => await silent.nextHeader());
  assert.match(error.message, /nothing came for 0\.1 s/);

  await using cancelled = await open();
  const waiting = cancelled.nextHeader();
  stop.abort();
  await rejectsWith("CANCELLED", async () => await waiting);
});
