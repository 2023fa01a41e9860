/** `npm run demo`: services survive the loss of their region, with real servers on this machine. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { productNames } from "../src/domain/engine-name.ts";
import type { RunningBtar } from "../test/support/running-btar.ts";
import { DemoPlace } from "./demo-place.ts";
import { mysqlShop } from "./mysql.ts";
import { postgresShop } from "./postgres.ts";
import { jsonResult, summaryTable } from "./report.ts";
import type { ShopDatabase } from "./shop-database.ts";
import { Story, type StoryResult } from "./story.ts";
import { Telling } from "./telling.ts";

const databases: readonly ShopDatabase[] = [postgresShop, mysqlShop];

const usage = `npm run demo -- [--engine pg|mysql] [--json] [--keep]

A PostgreSQL service and then a MySQL one survive the loss of their region, in under 3 minutes. MySQL's programs come
from Debian's packages, into .cache/servers, the first time.

  --engine NAME   only this one: pg or mysql
  --json          print one JSON object last, for scripts
  --keep          leave everything running, to look at
`;

const options = readOptions();
if (options !== undefined) process.exitCode = (await demonstrate(options)) ? 0 : 1;

interface DemoOptions {
  readonly told: readonly ShopDatabase[];
  readonly isJson: boolean;
  readonly isKept: boolean;
}

/** Undefined when there is nothing to do but what was said already. */
function readOptions(): DemoOptions | undefined {
  try {
    const { engine, json, keep, help } = parseArgs({
      options: {
        engine: { type: "string" },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", default: false, short: "h" },
      },
    }).values;
    const told = databases.filter((database) => engine === undefined || database.engine === engine);
    if (told.length === 0) throw new Error(`--engine ${engine}: choose pg or mysql`);
    if (!help) return { told, isJson: json, isKept: keep };
    process.stdout.write(usage);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exitCode = 2;
  }
  return undefined;
}

/** @returns whether all checks hold */
async function demonstrate({ told, isJson, isKept }: DemoOptions): Promise<boolean> {
  const telling = new Telling(isJson ? process.stderr : process.stdout);
  const stop = new AbortController();
  const place = new DemoPlace(await mkdtemp(join(tmpdir(), "btar-demo-")));
  const stopOnSignal = () => {
    if (stop.signal.aborted) return; // whoever is impatient would leave servers behind
    telling.say("\nstopping, and removing everything: a few seconds");
    stop.abort();
    void place.cleanUp().then(() => process.exit(130));
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stopOnSignal);
  const results: StoryResult[] = [];
  let failure: unknown;
  try {
    for (const database of told) await database.install?.(telling, stop.signal);
    const starting = "starting btar with two clouds, local-north and local-south";
    const server = await telling.step(starting, () => place.startBtar());
    stop.signal.throwIfAborted();
    for (const database of told) results.push(await tell(database, { server, telling, isFirst: database === told[0] }));
    say(telling, results, isKept);
  } catch (error) {
    if (stop.signal.aborted) return await new Promise<never>(() => undefined); // the process ends when all is removed
    failure = error;
    telling.say(`the demonstration failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const name of ["SIGINT", "SIGTERM"] as const) process.removeListener(name, stopOnSignal);
  if (isKept) telling.say(place.leave());
  else await place.cleanUp();
  if (isJson) process.stdout.write(`${JSON.stringify(jsonResult(results, { engine: told[0]?.engine, failure }))}\n`);
  return failure === undefined && results.every(({ ok }) => ok);
}

async function tell(
  database: ShopDatabase,
  parts: { readonly server: RunningBtar; readonly telling: Telling; readonly isFirst: boolean },
): Promise<StoryResult> {
  const { telling, isFirst } = parts;
  const story = new Story({ ...parts, database, pidFiles: databases.map(({ pidFile }) => pidFile) });
  telling.say(`\n${productNames[database.engine]}`);
  if (!isFirst) await story.bringNorthBack();
  return await story.tell();
}

/** How to reach the forks only where they are kept: they are gone otherwise. */
function say(telling: Telling, results: readonly StoryResult[], isKept: boolean): void {
  telling.say(`\n${summaryTable(results)}\n`);
  for (const { engine, forks } of isKept ? results : []) {
    const database = databases.find((candidate) => candidate.engine === engine);
    for (const { name, uri } of forks) telling.say(`${name}:\n  ${database?.clientCommand(uri)}`);
  }
  const ok = results.every((result) => result.ok);
  telling.say(
    `${isKept ? "\n" : ""}${ok ? "All checks hold" : "A CHECK FAILED"}, after ${telling.elapsedSeconds.toFixed(0)} s.`,
  );
}
