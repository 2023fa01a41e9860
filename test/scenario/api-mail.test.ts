import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { sql } from "kysely";
import type { Static } from "typebox";
import { recordEvent } from "../../src/catalog/events.ts";
import type { deliveriesAnswer } from "../../src/contract/notifications.ts";
import { sendMail } from "../../src/control-plane/notifications/mail.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { eventually } from "../support/api-client.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { MailReceiver } from "../support/mail-receiver.ts";
import { RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

/** This machine under an address that is not known as its own: as a server beyond it. */
const beyond = "0.0.0.0";
const account = { user: "btar", password: "smtp secret of btar" };
const from = "btar <btar@example.test>";
const authority = createAuthority("a company's own");
const certificateOf = (host: string) => issueCertificate(authority, { commonName: "mail", hosts: [host], days: 1 });
const usualAuthorities = getCACertificates("default");

const receivers: MailReceiver[] = [];
let api: RunningApi;
let starttls: MailReceiver;
before(async () => {
  starttls = await receiver({ ...certificateOf(beyond), from: "starttls" });
  const smtp = { ...serverOf(starttls), isTls: false };
  api = await RunningApi.start(testConfiguration({ notifications: { allowedNetworks: [], smtp } }));
  await new SimulatedAgent(api).registerAll(); // else clouds that are down would be told of
});
after(async () => {
  setDefaultCACertificates(usualAuthorities);
  await api.close();
  for (const each of receivers) await each.close();
});

async function receiver(tls?: NonNullable<Parameters<typeof MailReceiver.start>[1]>["tls"]): Promise<MailReceiver> {
  const started = await MailReceiver.start(account, tls ? { tls } : {});
  receivers.push(started);
  return started;
}

function serverOf({ port }: MailReceiver) {
  return { host: beyond, port, ...account, from };
}

function send(to: MailReceiver, { isTls }: { readonly isTls: boolean }): Promise<string> {
  const mail = { addresses: ["ann@example.test"], subject: "s", text: "t", deliveryId: "d" };
  return sendMail({ ...serverOf(to), isTls }, mail);
}

const path = "/project/demo/btar/notifications";

async function delivery() {
  return (await api.avn<Static<typeof deliveriesAnswer>>("GET", `${path}/team/deliveries`)).body.deliveries[0];
}

test("a mail server whose certificate is not trusted gets nothing; the log tells why, and it is tried until it is trusted", async () => {
  const addresses = ["ann@example.test", "nobody@example.test"];
  const made = await api.avn("POST", path, { name: "team", type: "email", addresses });
  assert.equal(made.status, 200, made.text);
  await recordEvent(api.catalog.db, {
    project: "demo",
    kind: "backup_failed",
    severity: "error",
    message: "b1 failed",
  });
  const waiting = await eventually("the first attempt is told", async () => {
    const latest = await delivery();
    return latest?.result ? latest : undefined;
  });
  assert.equal(waiting.state, "waiting");
  assert.match(
    waiting.result ?? "",
    /^0\.0\.0\.0:\d+ has a certificate that is not trusted: unable to verify the first certificate \(start btar with NODE_EXTRA_CA_CERTS=FILE/,
  );
  assert.deepEqual([starttls.received, starttls.heardInPlain], [[], []]);

  const smtps = await receiver({ ...certificateOf(beyond), from: "start" });
  await rejectsWith("SERVER_UNREACHABLE", () => send(smtps, { isTls: true }));
  setDefaultCACertificates([...usualAuthorities, authority.certificate]);
  await sql`update notification_delivery set next_attempt_at = now()`.execute(api.catalog.db);
  const delivered = await eventually("it is delivered", async () => {
    const latest = await delivery();
    return latest?.state === "delivered" ? latest : undefined;
  });
  assert.match(delivered.result ?? "", /^1 accepted: 250 .*; none for nobody@example\.test$/);
  assert.match(await send(smtps, { isTls: true }), /^1 accepted: 250/);
  assert.deepEqual([starttls.received.length, smtps.received.length], [1, 1]);
  assert.deepEqual([...starttls.heardInPlain, ...smtps.heardInPlain], []);
});

test("neither password nor mail leaves the machine without TLS, and what stands in its way is told", async () => {
  const plain = await receiver();
  await assert.rejects(send(plain, { isTls: false }), /could not be talked to over TLS: .*STARTTLS.*/);
  await assert.rejects(send(plain, { isTls: true }), /does not begin with TLS/);
  const misnamed = await receiver({ ...certificateOf("mail.example.test"), from: "starttls" });
  await assert.rejects(send(misnamed, { isTls: false }), /has a certificate of another name: .*0\.0\.0\.0/);
  for (const each of [plain, misnamed]) assert.deepEqual([each.received, each.heardInPlain], [[], []]);
});
