import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isProcessAlive } from "../../src/platform/process.ts";
import { BtarProcess, btar, eventually } from "../support/btar-process.ts";
import { Installation } from "../support/installation.ts";
import { startPostgres } from "../support/postgres-server.ts";

test("the parts run one by one on a catalog of one's own, as they do on many machines", async (context) => {
  await using postgres = await startPostgres({ majorVersion: "18" });
  const { host, port, user, database } = postgres.address;
  const place = await Installation.make("clouds:\n  local-a: { store: file:a }\n  local-b: { store: file:b }\n");
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
  const servers = place.serverPids();
  assert.deepEqual(servers.map(isProcessAlive), [true], "a service goes on without its agent");
  const again = start("server");
  await again.says("btar serves");
  assert.doesNotMatch(again.output, /token|MASTER KEY/);
  const agent = start("agent", "--cloud", "local-a");
  await agent.says("the agent runs");
  await eventually("the service is adopted", async () => (await place.btar("service", "wait", "shop")).code === 0);
  assert.deepEqual(place.serverPids(), servers, "and was never restarted");
});
