import type { Command } from "commander";
import type { AuditAnswer } from "./api-answers.ts";
import type { ApiClient } from "./api-client.ts";
import { type CommandContext, clientCommand, type FindAccess } from "./command-context.ts";
import { formatTable, formatTime, oneLine, paintState } from "./format.ts";
import { count } from "./setting-options.ts";

const usualCount = 50;
const pageSize = 1000;

interface FilterOptions {
  readonly all?: boolean;
  readonly by?: string;
  readonly service?: string;
  readonly since?: string;
  readonly until?: string;
  readonly failed?: boolean;
}

/** @param audit the command `audit` */
export function addAuditCommands(audit: Command, findAccess: FindAccess): void {
  const list = withFilter(audit.command("list").description("who did what in the project, newest first")).option(
    "-n, --limit <count>",
    "how many, up to 1000",
    count,
    usualCount,
  );
  clientCommand(list, findAccess, async (context) => {
    const options = list.opts<FilterOptions & { readonly limit: number }>();
    showEntries(context, await entries(context.api, options, { limit: String(options.limit) }));
  });
  const exported = withFilter(
    audit.command("export").description("the same whole, oldest first, as a JSON object per line"),
  );
  clientCommand(exported, findAccess, ({ api }) => exportEntries(api, exported.opts<FilterOptions>()));
}

function withFilter(command: Command): Command {
  return command
    .option("--all", "of all projects, and beyond; for super admins")
    .option("--by <email>", "of one user")
    .option("--service <name>", "about one service")
    .option("--since <time>", "not before, such as 2026-03-01T10:00:00Z")
    .option("--until <time>", "before")
    .option("--failed", "only what was refused or has failed");
}

async function entries(
  api: ApiClient,
  options: FilterOptions,
  page: Readonly<Record<string, string>>,
): Promise<AuditAnswer> {
  const { all = false, by, service, since, until, failed } = options;
  const filter = { actor: by, service, since, until, failed: failed ? "true" : undefined };
  const query = new URLSearchParams(page);
  for (const [key, value] of Object.entries(filter)) if (value !== undefined) query.set(key, value);
  const path = `/btar/audit?${query.toString()}`;
  return await (all ? api.request<AuditAnswer>("GET", path) : api.inProject<AuditAnswer>("GET", path));
}

function showEntries({ output }: CommandContext, answer: AuditAnswer): void {
  output.answer(answer, () =>
    formatTable(
      ["time (UTC)", "who", "from", "what", "project", "service", "outcome"],
      answer.entries.map((entry) => [
        formatTime(entry.time),
        oneLine(entry.actor ?? "(nobody)"),
        entry.address,
        oneLine(`${entry.method} ${entry.route} ${entry.summary}`),
        oneLine(entry.project ?? ""),
        oneLine(entry.service ?? ""),
        paintState(entry.outcome) + (entry.error_code === null ? "" : ` (${entry.error_code})`),
      ]),
      "no entries",
    ),
  );
}

async function exportEntries(api: ApiClient, options: FilterOptions): Promise<void> {
  for (let after: number | null = 0; after !== null; ) {
    const page: AuditAnswer = await entries(api, options, { after: String(after), limit: String(pageSize) });
    for (const entry of page.entries) process.stdout.write(`${JSON.stringify(entry)}\n`);
    after = page.next;
  }
}
