import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { Job, JobAnswer, LostRange, LostRangeAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatBytes, formatTable, oneLine } from "./format.ts";
import { followJob } from "./job-progress.ts";

interface LostRangeOptions {
  readonly extract?: string;
  readonly wait: boolean;
}

/**
 * @param fork the command `fork`
 * @param resolvePath makes a path absolute, from where the command was started
 */
export function addLostRangeCommand(
  fork: Command,
  findAccess: FindAccess,
  resolvePath: (path: string) => string,
): void {
  const command = fork
    .command("lost-range <fork>")
    .description("when the region is back: what its service has committed that never reached the fork")
    .option("--extract <directory>", "write the log and a summary there, on the agent's host in the source's cloud")
    .option("--no-wait", "do not wait for the end")
    .addHelpText(
      "after",
      "\nNothing is changed at the source. The directory must be empty or not exist yet.\n\n" +
        "Examples:\n  btar fork lost-range shop-2\n  btar fork lost-range shop-2 --extract /srv/lost",
    );
  clientCommand(command, findAccess, (context, [name = ""]) =>
    showLostRange(context, name, command.opts(), resolvePath),
  );
}

async function showLostRange(
  context: CommandContext,
  fork: string,
  { extract, wait }: LostRangeOptions,
  resolvePath: (path: string) => string,
): Promise<void> {
  const { api, output } = context;
  const path = `/service/${segment(fork)}/btar/lost_range`;
  const before = await api.inProject<LostRangeAnswer>("GET", path);
  const { state, explanation, source_cloud_name: cloud } = before.lost_range;
  if (wait && extract !== undefined && state === "unreachable") {
    throw new BtarError("STORE_UNREACHABLE", {
      message: explanation,
      hint: `try again when \`btar status\` shows ${cloud} as up, or say --no-wait: it is then done when ${cloud} is back`,
    });
  }
  if (wait && (state === "unreachable" || state === "gone")) {
    output.answer(before, () => lostRangeText(before.lost_range));
    return;
  }
  const directory = extract === undefined ? undefined : resolvePath(extract);
  const asked = await api.inProject<JobAnswer>("POST", path, directory === undefined ? {} : { directory });
  if (!wait) {
    output.answer(asked, () => `it is looked for; watch it with: btar jobs watch ${asked.job.id}`);
    return;
  }
  const job = await followJob(context, asked.job.id);
  const { lost_range } = await api.inProject<LostRangeAnswer>("GET", path);
  output.answer({ lost_range, job }, () => `${lostRangeText(lost_range)}${extractedText(job, directory)}`);
}

function extractedText({ result }: Job, directory: string | undefined): string {
  if (directory === undefined) return "";
  const count = Number(result?.["files"]);
  return `\n\nextracted to ${directory}: ${count} ${count === 1 ? "file" : "files"} of log, summary.txt and summary.json`;
}

/** What people are told; the summary that is extracted tells each transaction. */
function lostRangeText(lost: LostRange): string {
  const { service_name: fork, source_service_name: source, fork_end: end, fork_last_commit_time: last } = lost;
  const lines = [
    `${fork} holds ${source} up to ${end.text}${last === null ? "" : `, its last transaction is of ${last}`}`,
    ...foundLines(lost),
  ];
  if (lost.transactions === null || lost.state === "unreachable" || lost.state === "gone") lines.push(lost.explanation);
  const tables = lost.tables.filter(({ kind }) => kind === "table");
  if (tables.length > 0) lines.push("", tableText(tables));
  if (lost.names_trouble !== null) lines.push("", oneLine(lost.names_trouble));
  return lines.join("\n");
}

function foundLines(lost: LostRange): readonly string[] {
  const { service_name: fork, source_service_name: source, transactions } = lost;
  if (transactions === null) return [];
  const lines: string[] = [];
  const accounts = lost.account_transactions ?? 0;
  if (transactions + accounts + lost.gaps.length === 0)
    lines.push(`nothing was lost: ${fork} holds all that ${source} has committed`);
  else
    lines.push(
      `${transactions} ${transactions === 1 ? "transaction" : "transactions"} of ${source} not in ${fork}${spanText(lost)}`,
    );
  if (accounts > 0)
    lines.push(`${accounts} more changed users, roles and rights alone, as btar does when it applies settings`);
  if ((lost.transactions_after_fork ?? 0) > 0) {
    lines.push(`${lost.transactions_after_fork} of them committed after ${fork} was made: both were written to`);
  }
  if ((lost.transactions_on_server_only ?? 0) > 0) {
    lines.push(`${lost.transactions_on_server_only} of them only on the server of ${source}, not in the store`);
  }
  if (lost.left_history_at)
    lines.push(`${source} went on from ${lost.left_history_at.text}, before where ${fork} ends`);
  lines.push(
    `log behind the fork's end: ${formatBytes(lost.store_bytes ?? 0)} in the store, ${formatBytes(lost.server_bytes ?? 0)} on the server only`,
  );
  if (lost.server_trouble !== null)
    lines.push(`what only the server holds is not known: ${oneLine(lost.server_trouble)}`);
  for (const { what, objects } of lost.gaps) {
    lines.push(
      `missing: ${oneLine(what)}`,
      ...objects.map((key) => `  damaged or missing in the store: ${oneLine(key)}`),
    );
  }
  return lines;
}

function spanText({ first_commit_time: first, last_commit_time: last }: LostRange): string {
  return first === null || last === null ? "" : `, committed from ${first} to ${last}`;
}

function tableText(tables: LostRange["tables"]): string {
  return formatTable(
    ["table", "inserted", "updated", "deleted", "transactions"],
    tables.map(({ name, inserts, updates, deletes, transactions }) => [
      oneLine(name),
      ...[inserts, updates, deletes, transactions].map(String),
    ]),
  );
}
