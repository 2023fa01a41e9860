import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import tls from "node:tls";
import { createAuthority, issueCertificate, type KeyAndCertificate } from "./certificates.ts";

const authority = createAuthority("demo project CA");

test("a client that trusts the authority connects to a server with a certificate of its", async () => {
  const server = issueCertificate(authority, { commonName: "shop", hosts: ["shop.example", "127.0.0.1"], days: 30 });
  assert.equal(await handshake(server, { ca: authority.certificate, servername: "shop.example" }), "trusted");
  assert.equal(await handshake(server, { ca: authority.certificate, host: "127.0.0.1" }), "trusted");
});

test("a client refuses a name that is not in the certificate, and another authority", async () => {
  const server = issueCertificate(authority, { commonName: "shop", hosts: ["shop.example"], days: 30 });
  const other = createAuthority("demo project CA");
  assert.equal(
    await handshake(server, { ca: authority.certificate, servername: "bank.example" }),
    "ERR_TLS_CERT_ALTNAME_INVALID",
  );
  assert.notEqual(await handshake(server, { ca: other.certificate, servername: "shop.example" }), "trusted");
});

test("a client refuses a certificate that is over", async () => {
  const server = issueCertificate(authority, { commonName: "shop", hosts: ["shop.example"], days: -0.5 });
  assert.equal(await handshake(server, { ca: authority.certificate, servername: "shop.example" }), "CERT_HAS_EXPIRED");
});

test("certificates say who they are, whom they serve and until when", () => {
  const pem = issueCertificate(authority, {
    commonName: "shop",
    hosts: ["shop.example", "10.1.2.3", "::1", "2001:db8::5:0", "::ffff:10.0.0.1"],
    days: 365,
  }).certificate;
  const certificate = new X509Certificate(pem);
  const issuer = new X509Certificate(authority.certificate);
  assert.equal(certificate.subject, "CN=shop");
  assert.equal(
    certificate.subjectAltName,
    "DNS:shop.example, IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:1, " +
      "IP Address:2001:DB8:0:0:0:0:5:0, IP Address:0:0:0:0:0:FFFF:A00:1",
  );
  assert.equal(certificate.ca, false);
  assert.equal(issuer.ca, true);
  assert.ok(certificate.checkIssued(issuer));
  assert.ok(certificate.verify(issuer.publicKey));
  const years = (new Date(issuer.validTo).getTime() - Date.now()) / (365 * 24 * 3600 * 1000);
  assert.ok(years > 9.9 && years < 10.1, `the authority lasts ${years} years`);
});

/** @returns `trusted`, or the code of the error that the client saw */
async function handshake(server: KeyAndCertificate, client: tls.ConnectionOptions): Promise<string> {
  const listener = tls.createServer({ cert: server.certificate, key: server.privateKey }, (socket) => socket.end());
  listener.on("tlsClientError", () => undefined); // the client's view is the one that counts
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ port, ...client });
  try {
    await once(socket, "secureConnect");
    return "trusted";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    socket.destroy();
    listener.close();
  }
}
