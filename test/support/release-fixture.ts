/** An installation as a release has left it: its catalog, the store of one region, and what opens them. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";

export const fixturesDirectory = join(import.meta.dirname, "..", "fixtures");

/** `fixture.json`. */
export interface ReleaseFacts {
  /** Of btar that made it, and the last change of its catalog. */
  readonly version: string;
  readonly migration: string;
  readonly masterKey: string;
  readonly adminToken: string;
  /** What the table `t` of the service `shop` holds at the end. */
  readonly rows: number;
  readonly digest: string;
  readonly backups: readonly string[];
}

export const digestQuery = "select count(*)::int, md5(string_agg(id || text, ',' order by id)) from t";

/** Names of the fixtures that there are. */
export function releaseFixtures(): readonly string[] {
  return readdirSync(fixturesDirectory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

export function factsOf(name: string): ReleaseFacts {
  return JSON.parse(readFileSync(join(fixturesDirectory, name, "fixture.json"), "utf8")) as ReleaseFacts;
}

/** Loads the catalog into an empty database, and puts the store where `stores` has its folder. */
export async function loadFixture(
  name: string,
  to: { readonly databaseUrl: string; readonly stores: string },
): Promise<void> {
  const client = new pg.Client({ connectionString: to.databaseUrl });
  await client.connect();
  try {
    await client.query(readFileSync(join(fixturesDirectory, name, "catalog.sql"), "utf8"));
  } finally {
    await client.end();
  }
  mkdirSync(to.stores, { recursive: true });
  tar(["-xzf", join(fixturesDirectory, name, "store.tar.gz"), "-C", to.stores]);
}

export function tar(args: readonly string[]): void {
  const { status, stderr } = spawnSync("tar", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`tar ${args.join(" ")}: ${stderr}`);
}
