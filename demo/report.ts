import { formatTable } from "../src/cli/format.ts";
import { type EngineName, productNames } from "../src/domain/engine-name.ts";
import type { StoryResult } from "./story.ts";

/** One table of all stories: what holds, what was lost, how long it took. */
export function summaryTable(results: readonly StoryResult[]): string {
  const rows = lines.map(({ title, text }) => [title, ...results.map((result) => text(result))]);
  return formatTable(["", ...results.map(({ engine }) => productNames[engine])], rows);
}

/**
 * What scripts read: the figures of the first story, as if it were the only one, `ok` of all of them, and below
 * `engines` the figures of each.
 */
export function jsonResult(
  results: readonly StoryResult[],
  run: { readonly engine: EngineName | undefined; readonly failure: unknown },
): Record<string, unknown> {
  return {
    engine: run.engine,
    ...results[0],
    ok: run.failure === undefined && results.every(({ ok }) => ok),
    ...(run.failure === undefined ? {} : { error: String(run.failure) }),
    engines: Object.fromEntries(results.map((result) => [result.engine, result])),
  };
}

const lines: readonly { readonly title: string; readonly text: (result: StoryResult) => string }[] = [
  {
    title: "tables at T",
    text: ({ digestAtTEqual }) => (digestAtTEqual ? "equal, row for row" : "DIFFER from the source"),
  },
  {
    title: "latest",
    text: ({ latestConsistent }) => (latestConsistent ? "every copied write, none torn" : "NOT consistent"),
  },
  { title: "data lost (RPO)", text: ({ rpoSeconds }) => `${rpoSeconds.toFixed(1)} s of writes` },
  {
    title: "time to first query (RTO)",
    text: ({ forks }) => forks.map(({ rtoSeconds }) => `${rtoSeconds.toFixed(1)} s`).join(" and "),
  },
  {
    title: "base backup",
    text: ({ baseBackupBytes, backupSeconds }) => `${megabytes(baseBackupBytes)} in ${backupSeconds.toFixed(1)} s`,
  },
  { title: "stored", text: ({ storedBytes }) => megabytes(storedBytes) },
  {
    title: "copied to local-south",
    text: ({ copiedBytes, copySeconds }) => `${megabytes(copiedBytes)} in ${copySeconds.toFixed(1)} s`,
  },
];

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
