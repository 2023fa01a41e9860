import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Static } from "typebox";
import { recordEvent } from "../../src/catalog/events.ts";
import { noteAttempt } from "../../src/catalog/notification-deliveries.ts";
import type {
  deliveriesAnswer,
  deliveryAnswer,
  destinationAnswer,
  destinationsAnswer,
} from "../../src/contract/notifications.ts";
import { BtarError } from "../../src/domain/errors.ts";
import { adviceFor, type EventKind, type EventSeverity } from "../../src/domain/event-kinds.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { eventually } from "../support/api-client.ts";
import { MailReceiver } from "../support/mail-receiver.ts";
import { type Answer, type Refusal, RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";

const account = { user: "btar", password: "smtp secret of btar" };

let api: RunningApi;
let hook: WebhookReceiver;
let mail: MailReceiver;
before(async () => {
  hook = await WebhookReceiver.start();
  mail = await MailReceiver.start(account);
  const smtp = { host: "127.0.0.1", port: mail.port, isTls: false, ...account, from: "btar <btar@example.test>" };
  const notifications = { allowedNetworks: ["127.0.0.1"], smtp };
  api = await RunningApi.start(testConfiguration({ notifications }));
  await new SimulatedAgent(api).registerAll(); // else clouds that are down would be told of
});
after(async () => {
  await api.close();
  await hook.close();
  await mail.close();
});

type Destination = Static<typeof destinationAnswer> & Refusal;
const path = "/project/demo/btar/notifications";

function create(body: object): Promise<Answer<Destination>> {
  return api.avn<Destination>("POST", path, body);
}

async function event(kind: EventKind, severity: EventSeverity, message: string): Promise<void> {
  await recordEvent(api.catalog.db, { project: "demo", kind, severity, message });
}

async function deliveries(name: string) {
  return (await api.avn<Static<typeof deliveriesAnswer>>("GET", `${path}/${name}/deliveries`)).body.deliveries;
}

async function delivered(name: string, message: string) {
  return await eventually(`${message} is delivered to ${name}`, async () =>
    (await deliveries(name)).find((each) => each.event_desc === message && each.state === "delivered"),
  );
}

/** As if the time until the next attempt were over. */
async function now(): Promise<void> {
  await sql`update notification_delivery set next_attempt_at = now() where state = 'waiting'`.execute(api.catalog.db);
}

test("an event goes to the webhooks that chose it, signed, with what to do, and to no others", async () => {
  const made = await create({ name: "ops", type: "webhook", url: `${hook.url}/hooks/s3cret-path` });
  assert.equal(made.status, 200, made.text);
  const secret = made.body.secret ?? "";
  assert.ok(secret.length >= 40);
  assert.deepEqual(
    [made.body.destination.target, made.body.destination.severities],
    [`${hook.url}/…`, ["warning", "error"]],
  );
  await create({ name: "clouds", type: "webhook", url: hook.url, event_types: ["cloud_down"], secret: "0".repeat(16) });
  await event("backup_complete", "info", "nobody wants this");
  await event("backup_failed", "error", "base backup b1 of shop failed");
  const log = await delivered("ops", "base backup b1 of shop failed");
  assert.deepEqual([log.attempts, log.result, log.next_attempt_time], [1, "HTTP 204", null]);
  assert.deepEqual(await deliveries("clouds"), []);
  assert.equal(hook.received.length, 1);
  const { headers, body } = hook.received[0] ?? { headers: {}, body: "" };
  const signed = `${String(headers["btar-timestamp"])}.${body}`;
  assert.equal(headers["btar-signature"], `sha256=${createHmac("sha256", secret).update(signed).digest("hex")}`);
  assert.ok(Math.abs(Number(headers["btar-timestamp"]) - Date.now() / 1000) < 60);
  const told = JSON.parse(body) as { readonly event: Readonly<Record<string, unknown>> };
  assert.deepEqual(
    [told.event["event_type"], told.event["severity"], told.event["advice"], told.event["project"]],
    ["backup_failed", "error", adviceFor("backup_failed", "error"), "demo"],
  );
  assert.equal(headers["btar-delivery"], log.id);
});

test("what cannot be delivered is tried again after growing pauses, also by the next process, and then given up", async () => {
  const both = ["clouds", "ops"] as const;
  /** What was noted of the newest delivery to "clouds" when both got this answer. */
  const refused = async (status: number) => {
    for (const name of both) {
      await eventually(`${name} was answered ${status}`, async () =>
        (await deliveries(name)).find(({ result }) => result === `${hook.url} answered HTTP ${status}`),
      );
    }
    return (await deliveries("clouds"))[0];
  };
  hook.status = 500;
  const askedAt = Date.now();
  await event("cloud_down", "error", "cloud local-north is down");
  const first = await refused(500);
  assert.deepEqual([first?.state, first?.attempts], ["waiting", 1]);
  const { body } = await api.avn<Destination>("GET", `${path}/clouds`);
  assert.deepEqual([body.destination.waiting_deliveries, body.destination.last_delivery_time], [1, null]);
  const nextAt = Date.parse(first?.next_attempt_time ?? "");
  assert.ok(nextAt >= askedAt + 5000 && nextAt <= Date.now() + 10_000, `${nextAt - askedAt} ms`);
  hook.status = 503;
  await now();
  assert.ok(((await refused(503))?.attempts ?? 0) >= 2);
  hook.status = 200;
  await now();
  for (const name of both) await delivered(name, "cloud local-north is down");

  hook.status = 302;
  await event("cloud_down", "error", "cloud local-south is down");
  await refused(302); // a redirection is not followed
  assert.ok(!hook.received.some(({ headers }) => headers.host?.includes("elsewhere")));
  await sql`update notification_delivery set created_at = now() - interval '25 hours' where state = 'waiting'`.execute(
    api.catalog.db,
  );
  await now();
  const told = await eventually("both destinations gave it up, and that is told", async () => {
    const { rows } = await sql<{ message: string }>`
      select message from event where kind = 'notification_failed'`.execute(api.catalog.db);
    return rows.length === 2 ? rows : undefined;
  });
  assert.equal((await deliveries("clouds")).filter(({ state }) => state === "failed").length, 1);
  hook.status = 200;
  assert.match(
    told[0]?.message ?? "",
    /'cloud local-south is down' could not be sent to \w+ in \d attempts: .*HTTP 302/,
  );
});

test("a delivery that a process took and did not end is taken by another one", async () => {
  const { db } = api.catalog;
  await sql`insert into notification_delivery (id, destination_id, event_id, attempts, next_attempt_at)
    select gen_random_uuid(), destination.id, event.id, 1, now() - interval '1 second'
    from notification_destination destination, event
    where destination.name = 'clouds' and event.message = 'nobody wants this'`.execute(db);
  const log = await delivered("clouds", "nobody wants this");
  assert.equal(log.attempts, 2);
  // The first one has not ended, but was slow: what it says now is nothing that is done again.
  const late = { state: "waiting", result: "it timed out", nextAttemptAt: new Date() } as const;
  assert.equal(await noteAttempt(db, { id: log.id, attempts: 1 }, late), false);
  assert.equal((await delivered("clouds", "nobody wants this")).attempts, 2);
});

test("e-mail goes to the addresses that were named, and what the server refuses is told", async () => {
  const made = await create({
    name: "team",
    type: "email",
    addresses: ["ann@example.test", "ben@example.test"],
    severities: ["error"],
  });
  assert.equal(made.status, 200, made.text);
  await event("log_gap", "error", "the log of shop\r\nBcc: x@example.test\r\nhas a gap — für Ännchen");
  await eventually("the mail is there", async () => mail.received[0]);
  const received = mail.received[0];
  const lines = received?.text.replace(/=\r\n/g, "") ?? "";
  assert.deepEqual([received?.from, received?.to], ["btar@example.test", ["ann@example.test", "ben@example.test"]]);
  assert.match(lines, /^Subject: \[btar\] error: log_gap demo\r$/m);
  assert.match(lines, /What to do: let the server keep more log/);
  assert.match(lines, /^Auto-Submitted: auto-generated\r$/im);

  await create({ name: "gone", type: "email", addresses: ["nobody@example.test"], enabled: false });
  const { body } = await api.avn<Static<typeof deliveryAnswer>>("POST", `${path}/gone/test`);
  assert.equal(body.delivery.state, "failed");
  assert.match(body.delivery.result ?? "", /refused the mail: .*no such mailbox/);
});

test("work that fails for good is told, with the reason", async () => {
  await api.jobs.work("restore", "local-north", async () => {
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", { message: "/srv/x is not empty", hint: "name another one" });
  });
  const job = { kind: "restore", cloud: "local-north", project: "demo", service: undefined, input: {} } as const;
  await api.jobs.enqueue(job);
  await delivered("ops", "the job restore in local-north failed: /srv/x is not empty (name another one)");
});

test("a destination is tried by hand, and the log tells what came of it", async () => {
  const { body } = await api.avn<Static<typeof deliveryAnswer>>("POST", `${path}/ops/test`);
  assert.deepEqual([body.delivery.state, body.delivery.result], ["delivered", "HTTP 200"]);
  assert.equal(hook.received.filter((each) => each.body.includes('"type":"test"')).length, 1);
  assert.equal((await deliveries("ops"))[0]?.id, body.delivery.id);
});

test("webhooks reach nothing but the internet and the networks that are allowed, and only over TLS that is trusted", async () => {
  const refusal = async (url: string) => {
    const { status, body } = await create({ name: "x", type: "webhook", url });
    assert.equal(status, 400, url);
    return body.message;
  };
  assert.match(
    await refusal("https://169.254.169.254/latest"),
    /not of the internet .*notifications\.allowed_networks/,
  );
  assert.match(await refusal("http://[::ffff:10.0.0.1]/"), /not of the internet/);
  assert.match(await refusal("http://192.0.2.1/hook"), /without TLS/);
  assert.match(await refusal("https://user:pw@192.0.2.1/"), /holds a user or a password/);
  const authority = createAuthority("nobody's");
  const { certificate, privateKey } = issueCertificate(authority, { commonName: "x", hosts: ["127.0.0.1"], days: 1 });
  const server = createServer({ cert: certificate, key: privateKey }, (_incoming, outgoing) => outgoing.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    assert.equal((await create({ name: "untrusted", type: "webhook", url })).status, 200);
    const { body } = await api.avn<Static<typeof deliveryAnswer>>("POST", `${path}/untrusted/test`);
    assert.match(body.delivery.result ?? "", /unable to verify the first certificate/);
  } finally {
    server.close();
  }
});

test("destinations are changed and deleted; bad choices change nothing", async () => {
  const put = (body: object) => api.avn<Destination>("PUT", `${path}/ops`, body);
  for (const [body, message] of [
    [{ severities: [] }, /severities/],
    [{ event_types: ["no_such_event"] }, /event_types/],
    [{ addresses: ["a@b"] }, /a destination of type webhook has none/],
    [{ url: "ftp://x" }, /url/],
    [{ secret: "short" }, /secret/],
  ] as const) {
    const answer = await put(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match(answer.body.message, message);
  }
  assert.equal((await create({ name: "ops", type: "webhook", url: hook.url })).status, 409);
  assert.match((await create({ name: "x", type: "email" })).body.message, /'addresses' is a required property/);
  const changed = await put({ severities: ["info"], enabled: false, secret: null });
  assert.ok((changed.body.secret ?? "").length >= 40);
  assert.deepEqual([changed.body.destination.severities, changed.body.destination.enabled], [["info"], false]);
  const before = (await deliveries("ops")).length;
  await event("backup_complete", "info", "told to nobody");
  assert.equal((await deliveries("ops")).length, before);
  assert.equal((await api.avn("DELETE", `${path}/ops`)).status, 200);
  const { status, body } = await api.avn("DELETE", `${path}/ops`);
  assert.equal(status, 404);
  assert.match(body.message, /no notification destination ops in project demo \(there are: clouds, gone, team/);
});

test("secrets of destinations are sealed, and nowhere in answers, events and the audit log", async () => {
  const secret = "planted-signing-secret";
  await create({ name: "sealed", type: "webhook", url: `${hook.url}/planted-path`, secret });
  const listed = await api.avn<Static<typeof destinationsAnswer>>("GET", path);
  const { rows } = await sql<{ text: string }>`
    select row_to_json(notification_destination)::text as text from notification_destination
    union all select row_to_json(event)::text from event
    union all select row_to_json(audit)::text from audit`.execute(api.catalog.db);
  const all = `${listed.text}\n${rows.map(({ text }) => text).join("\n")}`;
  for (const planted of [secret, "planted-path", account.password]) assert.ok(!all.includes(planted), planted);
});
