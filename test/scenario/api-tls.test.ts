import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { sql } from "kysely";
import { ApiClient } from "../../src/cli/api-client.ts";
import { startControlPlane } from "../../src/control-plane/control-plane.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { eventually } from "../support/api-client.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { openTestCatalog, type TestCatalog, testConfiguration } from "../support/running-api.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { WireClient } from "../support/wire-client.ts";

const authority = createAuthority("test authority");

let opened: TestCatalog;
before(async () => {
  opened = await openTestCatalog();
});
after(async () => {
  await opened.close();
});

function certificateIn(directory: string): { readonly certificate: string; readonly key: string } {
  const files = { certificate: join(directory, "chain.pem"), key: join(directory, "key.pem") };
  const made = issueCertificate(authority, { commonName: "btar", hosts: ["btar.example.test"], days: 30 });
  writeFileSync(files.key, made.privateKey, { mode: 0o600 });
  writeFileSync(files.certificate, made.certificate);
  return files;
}

/** As a client that knows the authority and the name sees it. */
async function peer(url: string): Promise<PeerCertificate> {
  const { port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(
      { host: "127.0.0.1", port: Number(port), servername: "btar.example.test", ca: authority.certificate },
      () => {
        resolve(socket.getPeerCertificate());
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

test("the API speaks TLS with a certificate of one's own, and takes another one from the files as it runs", async (context) => {
  const files = certificateIn(await temporaryDirectory(context));
  const plane = await startControlPlane({ ...opened.context, configuration: testConfiguration({ tls: files }) });
  try {
    assert.match(plane.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const first = await peer(plane.url);
    assert.equal(first.subjectaltname, "DNS:btar.example.test");
    const answer = await get(plane.url, authority.certificate);
    assert.equal(answer, 200);
    await assert.rejects(get(plane.url, createAuthority("another").certificate), /certificate/);

    writeFileSync(files.key, "no key");
    certificateIn(join(files.key, ".."));
    await eventually("the other certificate is served", async () =>
      (await peer(plane.url)).fingerprint256 === first.fingerprint256 ? undefined : true,
    );
  } finally {
    await plane.close();
  }
});

function get(url: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { ca, servername: "btar.example.test", agent: false, headers: { host: "btar.example.test" } };
    request(`${url}/livez`, options, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

test("commands on the machine itself know the API by its certificate, and talk to no other", async (context) => {
  const files = certificateIn(await temporaryDirectory(context));
  const plane = await startControlPlane({ ...opened.context, configuration: testConfiguration({ tls: files }) });
  try {
    const access = { url: plane.url, token: opened.adminToken, project: "demo" };
    const certificate = new X509Certificate((await peer(plane.url)).raw).toString();
    const api = new ApiClient({ ...access, certificate });
    const { user } = await api.request<{ user: { user: string } }>("GET", "/me");
    assert.equal(user.user, "admin@btar.local");
    const other = issueCertificate(authority, { commonName: "x", hosts: ["x"], days: 1 }).certificate;
    const wrong = new ApiClient({ ...access, certificate: other });
    await rejectsWith("SERVER_UNREACHABLE", () => wrong.request("GET", "/me"));
    const error = await rejectsWith("SERVER_UNREACHABLE", () => new ApiClient(access).request("GET", "/me"));
    assert.match(error.message, /unable to verify the first certificate.*; NODE_EXTRA_CA_CERTS/);
  } finally {
    await plane.close();
  }
});

test("a certificate that cannot be used is refused at the start, with the files", async (context) => {
  const directory = await temporaryDirectory(context);
  const files = certificateIn(directory);
  const start = () => startControlPlane({ ...opened.context, configuration: testConfiguration({ tls: files }) });
  writeFileSync(files.key, createAuthority("another").privateKey);
  const error = await rejectsWith("INVALID_CONFIGURATION", start);
  assert.match(error.message, /tls\.certificate .*chain\.pem and tls\.key .*key\.pem cannot be used: .*mismatch/);
  const missing = { ...files, key: join(directory, "none.pem") };
  const configuration = testConfiguration({ tls: missing });
  await rejectsWith("INVALID_CONFIGURATION", () => startControlPlane({ ...opened.context, configuration }));
});

test("a trusted proxy says whom it asks for, and others are not believed", async () => {
  const addressOf = async (trustedProxies: readonly string[]): Promise<string | undefined> => {
    const plane = await startControlPlane({ ...opened.context, configuration: testConfiguration({ trustedProxies }) });
    try {
      const headers = { authorization: `aivenv1 ${opened.adminToken}`, "x-forwarded-for": "203.0.113.9" };
      const body = JSON.stringify({ tags: {} });
      await new WireClient(plane.url, opened.adminToken).send("PUT", "/v1/project/demo/tags", {
        headers: { ...headers, "content-type": "application/json" },
        body,
      });
      const { rows } = await sql<{ address: string }>`select address from audit order by id desc limit 1`.execute(
        opened.context.catalog.db,
      );
      return rows[0]?.address;
    } finally {
      await plane.close();
    }
  };
  assert.equal(await addressOf([]), "127.0.0.1");
  assert.equal(await addressOf(["127.0.0.0/8"]), "203.0.113.9");
  assert.equal(await addressOf(["10.0.0.1"]), "127.0.0.1");
});
