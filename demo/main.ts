/**
 * `npm run demo`: a PostgreSQL service survives the loss of its region, with real servers on this machine.
 *   --json   prints one JSON object last
 *   --keep   leaves everything running, to look at
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RunningBtar } from "../test/support/running-btar.ts";
import { type DemoResult, tellStory } from "./story.ts";
import { Telling } from "./telling.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false, short: "h" },
  },
});

if (options.help) {
  process.stdout.write(
    "npm run demo -- [--json] [--keep]\n\nA PostgreSQL service survives the loss of its region, in under 3 minutes.\n" +
      "  --json   print one JSON object last, for scripts\n  --keep   leave everything running, to look at\n",
  );
} else {
  process.exitCode = (await demonstrate()).ok ? 0 : 1;
}

async function demonstrate(): Promise<{ readonly ok: boolean }> {
  const telling = new Telling(options.json ? process.stderr : process.stdout);
  const directory = await mkdtemp(join(tmpdir(), "btar-demo-"));
  let server: RunningBtar | undefined;
  const stopOnSignal = () => {
    telling.say("\nstopping");
    void cleanUp(server, directory).then(() => process.exit(130));
  };
  process.once("SIGINT", stopOnSignal);
  process.once("SIGTERM", stopOnSignal);
  let isKept = false;
  try {
    server = await telling.step(
      "starting btar with two clouds, local-north and local-south",
      async () =>
        await RunningBtar.start({
          directory,
          port: await freePort(),
          token: `demo${randomBytes(24).toString("hex")}`,
          firstServicePort: 21000 + 100 * Math.floor(Math.random() * 80),
        }),
    );
    const result = await tellStory(server, telling);
    report(telling, result);
    isKept = options.keep;
    if (isKept) explainKept(telling, server);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  } catch (error) {
    telling.say(`the demonstration failed: ${error instanceof Error ? error.message : String(error)}`);
    if (options.json) process.stdout.write(`${JSON.stringify({ ok: false, engine: "pg", error: String(error) })}\n`);
    isKept = options.keep;
    return { ok: false };
  } finally {
    process.removeListener("SIGINT", stopOnSignal);
    process.removeListener("SIGTERM", stopOnSignal);
    if (isKept) server?.detach();
    else await cleanUp(server, directory);
  }
}

function report(telling: Telling, result: DemoResult): void {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const lines: readonly [string, string][] = [
    ["tables at T", result.digestAtTEqual ? "equal to the source, row for row" : "DIFFER from the source"],
    ["latest", result.latestConsistent ? "every write that the copy covers, none torn" : "NOT consistent"],
    ["data lost (RPO)", `${result.rpoSeconds.toFixed(1)} s of writes`],
    ["time to first query (RTO)", result.forks.map((fork) => `${fork.rtoSeconds.toFixed(1)} s`).join(" and ")],
    [
      "base backup",
      `${mb(result.baseBackupBytes)} in ${result.backupSeconds.toFixed(1)} s, ${mb(result.storedBytes)} stored`,
    ],
    ["copied to local-south", `${mb(result.copiedBytes)} in ${result.copySeconds.toFixed(1)} s`],
  ];
  telling.say("");
  for (const [name, value] of lines) telling.say(`  ${name.padEnd(26)} ${value}`);
  telling.say("");
  for (const fork of result.forks) telling.say(`  psql '${fork.uri}'`);
  telling.say(`\n${result.ok ? "All checks hold" : "A CHECK FAILED"}, after ${telling.elapsedSeconds.toFixed(0)} s.`);
}

function explainKept(telling: Telling, server: RunningBtar): void {
  telling.say(
    `\nEverything is left running. To look at it:\n  export BTAR_URL=${server.url} BTAR_TOKEN=${server.token}\n` +
      `  npx btar status\nTo end it: kill -INT ${server.pid}; its files are in ${server.directory}`,
  );
}

async function cleanUp(server: RunningBtar | undefined, directory: string): Promise<void> {
  await server?.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no free port");
  return address.port;
}
