import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { Job, RebuildAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess } from "./command-context.ts";
import { formatTable, oneLine } from "./format.ts";
import { followJob } from "./job-progress.ts";

interface RebuildOptions {
  readonly location?: string;
  readonly wait: boolean;
}

export function addRebuildCommand(program: Command, findAccess: FindAccess): void {
  const rebuild = program
    .command("rebuild")
    .description(
      "take services that the stores hold into a catalog that does not know them, after btar itself was lost",
    )
    .option("--location <cloud>", "read only the store of this cloud")
    .option("--no-wait", "do not wait for the result")
    .addHelpText(
      "after",
      "\nThe master key that the backups were made with must be this installation's: put it in place before the first start.\n" +
        "What the catalog knows is left as it is. It exits with 6 when something in a store cannot be read.\n\n" +
        "Examples:\n  btar rebuild\n  btar rebuild --location aws-eu-central-1",
    );
  clientCommand(rebuild, findAccess, (context) => rebuildCatalog(context, rebuild.opts()));
}

async function rebuildCatalog(context: CommandContext, { location, wait }: RebuildOptions): Promise<void> {
  const { api, output } = context;
  const body = location === undefined ? {} : { location };
  const { jobs, message } = await api.inProject<RebuildAnswer>("POST", "/btar/rebuild", body);
  if (!wait) {
    output.answer({ jobs }, () => `${message}; \`btar jobs list\` shows how far that is`);
    return;
  }
  const ended: Job[] = [];
  for (const { id } of jobs) ended.push(await followJob(context, id));
  const results = ended.map(resultOf);
  output.answer({ jobs: ended }, () => resultText(results));
  const unreadable = results.flatMap((result) => result.unreadable.map((what) => `${result.cloud}: ${what}`));
  if (unreadable.length === 0) return;
  throw new BtarError("OBJECT_DAMAGED", {
    message: `${unreadable.length} things in the stores cannot be read: ${oneLine(unreadable.slice(0, 3).join("; "))}`,
    hint: "everything else is there; another location may have them sound",
  });
}

interface Found {
  readonly project: string;
  readonly name: string;
  readonly backups: number;
}

interface Result {
  readonly cloud: string;
  readonly services: readonly Found[];
  readonly unreadable: readonly string[];
}

function resultOf({ cloud_name: cloud, result }: Job): Result {
  // As the agent's job tells it.
  const { services = [], unreadable = [] } = (result ?? {}) as Partial<Omit<Result, "cloud">>;
  return { cloud, services, unreadable };
}

function resultText(results: readonly Result[]): string {
  const rows = results.flatMap(({ cloud, services }) =>
    services.map(({ project, name, backups }) => [project, name, cloud, String(backups)]),
  );
  if (rows.length === 0) return "nothing was found that the catalog does not know";
  const table = formatTable(["project", "service", "found in", "base backups"], rows);
  return `${table}\n\n\`btar status\` shows what can be restored; \`btar fork\` makes a running service of one`;
}
