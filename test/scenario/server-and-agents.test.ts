import assert from "node:assert/strict";
import { readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isProcessAlive } from "../../src/platform/process.ts";
import { BtarProcess, btar, eventually } from "../support/btar-process.ts";
import { Installation } from "../support/installation.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { startTraceReceiver, type TraceReceiver } from "../support/trace-receiver.ts";

/** By the commands, while servers and agents are stopped. */
async function rotateTheKey(place: Installation, environment: Readonly<Record<string, string>>): Promise<void> {
  const { directory } = place;
  const key = async (...args: readonly string[]) => await btar(["key", ...args], { directory, environment });
  const checked = await key("check");
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /^exported +never from this machine/m);
  assert.match(checked.stdout, /^catalog +opens +its secrets open$/m);
  assert.match(checked.stdout, /^local-a +opens +1 data keys of 1 services open$/m);
  writeFileSync(join(directory, "passphrase"), "correct horse battery\n", { mode: 0o600 });
  assert.equal((await key("protect", "--passphrase-file", "passphrase")).code, 0);
  assert.match((await key("check")).stderr, /protected by a passphrase, and nobody can be asked/);
  const opened = await btar(["key", "protect", "--remove"], {
    directory,
    environment: { ...environment, BTAR_KEY_PASSPHRASE_FILE: "passphrase" },
  });
  assert.equal(opened.code, 0, opened.stderr);
  const exported = await key("export", "--output", "old.key");
  assert.equal(exported.code, 0, exported.stderr);
  assert.equal(statSync(join(directory, "old.key")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(directory, "old.key"), "utf8"), /^BTAR-KEY$/m);
  assert.match((await key("export", "--output", "old.key")).stderr, /old\.key is there already/);
  assert.match((await key("check")).stdout, /^exported +20\d\d-/m);

  const rotated = await key("rotate");
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stdout, /^the earlier key opens nothing any more$/m);
  const stale = await key("import", "old.key");
  assert.equal(stale.code, 5, "a key that opens nothing is refused");
  assert.match(stale.stderr, /is not the installation's: catalog: it was made with another key/);
  const kept = await key("export", "--json");
  const { text } = JSON.parse(kept.stdout) as { readonly text: string };
  writeFileSync(join(directory, "new.key"), text);
  unlinkSync(join(place.data, "keys", "master.key"));
  const imported = await key("import", "new.key");
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stdout, /^it opens: catalog, local-a$/m);
}

/** What the server has asked for and what an agent did of it are one trace; all was sent when they ended. */
function assertTraced({ spans }: TraceReceiver): void {
  const names = spans.map(({ process, name }) => `${process}: ${name}`);
  const of = (process: string, name: string) => spans.find((span) => span.process === process && span.name === name);
  const asked = of("btar server", "send provision.local-a");
  const job = of("btar agent local-a", "job provision");
  assert.ok(asked && job, names.join("\n"));
  assert.equal(job.traceId, asked.traceId);
  const attributes = Object.fromEntries(job.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
  assert.equal(attributes["btar.cloud"], "local-a");
  assert.match(String(attributes["btar.job.id"]), /^[0-9a-f-]{36}$/);
  assert.ok((job.events ?? []).length > 0, "phases are told");
}

test("the parts run one by one on a catalog of one's own, as they do on many machines", async (context) => {
  await using postgres = await startPostgres({ majorVersion: "18" });
  const { host, port, user, database } = postgres.address;
  await using receiver = await startTraceReceiver();
  const clouds = "clouds:\n  local-a: { store: file:a }\n  local-b: { store: file:b }\n";
  const place = await Installation.make(`${clouds}tracing: { endpoint: "${receiver.url}" }\n`);
  context.after(async () => await place.remove());
  const keyFile = join(place.data, "keys", "master.key");
  const { directory } = place;
  const environment = { BTAR_DATABASE_URL: `postgres://${user}@${host}:${port}/${database}` };
  const start = (...args: readonly string[]) => place.track(new BtarProcess(args, { directory, environment }));

  const server = start("server");
  await server.says(`btar serves ${place.url}`);
  assert.match(server.output, /admin token, shown once: \S+/);
  assert.match(server.output, /A MASTER KEY WAS MADE/);
  assert.match((await place.btar("status")).stdout, /^local-a +down +no agent answers$/m);

  const agents = ["local-a", "local-b"].map((cloud) => start("agent", "--cloud", cloud));
  for (const agent of agents) await agent.says("the agent runs");
  const created = await place.btar("service", "create", "shop", "--cloud", "local-a", "--wait");
  assert.equal(created.code, 0, created.stderr);

  const wrongKey = join(directory, "wrong.key");
  writeFileSync(wrongKey, `${"12".repeat(32)}\n`, { mode: 0o600 });
  for (const args of [["server"], ["agent", "--cloud", "local-a"]]) {
    const refused = await btar(args, { directory, environment: { ...environment, BTAR_MASTER_KEY_FILE: wrongKey } });
    assert.equal(refused.code, 5);
    assert.match(
      refused.stderr,
      /^btar: the master key in .*wrong\.key is not the one that the catalog was made with/m,
    );
  }
  const unknown = await btar(["agent", "--cloud", "local-c"], { directory, environment });
  assert.match(unknown.stderr, /cloud local-c is not in the configuration \(configured clouds: local-a, local-b\)/);
  assert.equal(readFileSync(keyFile, "utf8").length, 65, "the key is as it was");

  for (const each of [...agents, server]) {
    each.signal("SIGTERM");
    assert.equal(await each.ended(), 0, each.output);
  }
  assertTraced(receiver);
  const servers = place.serverPids();
  assert.deepEqual(servers.map(isProcessAlive), [true], "a service goes on without its agent");
  await rotateTheKey(place, environment);
  const again = start("server");
  await again.says("btar serves");
  assert.doesNotMatch(again.output, /token|MASTER KEY/);
  const agent = start("agent", "--cloud", "local-a");
  await agent.says("the agent runs");
  await eventually("the service is adopted", async () => (await place.btar("service", "wait", "shop")).code === 0);
  assert.deepEqual(place.serverPids(), servers, "and was never restarted");
});
