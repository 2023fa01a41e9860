import type { Command } from "commander";
import type { ForkPlanAnswer, JobAnswer, ServiceAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { productText, startText } from "./engine-commands.ts";
import { formatBytes, formatPairs, formatSeconds, formatTime } from "./format.ts";
import { followJob } from "./job-progress.ts";
import { addLostRangeCommand } from "./lost-range-commands.ts";
import { collectPairs, seconds } from "./setting-options.ts";
import { answerWhenRunning } from "./wait-for-service.ts";

interface TargetOptions {
  readonly at?: string;
  readonly gtid?: string;
  readonly backup?: string;
}

interface ForkOptions extends TargetOptions {
  /** Commander would ask for it where a command below `fork` is meant, too. */
  readonly cloud?: string;
  readonly type?: string;
  readonly plan?: string;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly dryRun?: boolean;
}

interface RestoreOptions extends TargetOptions {
  readonly service: string;
  readonly location: string;
  readonly to: string;
  readonly tablespaceMapping?: readonly string[];
  readonly tablespaceMappingAll?: string;
  readonly delta?: boolean;
  readonly database?: string;
  readonly wait: boolean;
}

type ResolvePath = (path: string) => string;

const defaultTimeoutSeconds = 3600;

/** @param resolvePath makes a path absolute, from where the command was started */
export function addRecoveryCommands(program: Command, findAccess: FindAccess, resolvePath: ResolvePath): void {
  const withTarget = (command: Command): Command =>
    command
      .option("--at <time>", "point in time, with zone or in UTC; the latest by default")
      .option("--gtid <gtid>", "MySQL: everything in log order up to this transaction, and nothing behind it")
      .option("--backup <name>", "start from this base backup; without --at nothing later is replayed");
  const fork = withTarget(
    program
      .command("fork <source> <new>")
      .description("make a new service from a backup of another, at any time it covers")
      .enablePositionalOptions() // the command below it has options of the same names
      .option("--cloud <cloud>", "where: the source's cloud, or one that holds a copy (required)"),
  )
    .option("-t, --type <type>", "engine of the source; found out by default")
    .option("-p, --plan <plan>", "size; the source's by default")
    .option("--dry-run", "begin nothing: tell what it would restore, to which moment, and about how long it takes")
    .option("--wait", "wait until it runs, and print how to connect")
    .option("--timeout <seconds>", "for --wait", seconds, defaultTimeoutSeconds)
    .addHelpText(
      "after",
      "\nExamples:\n  btar fork shop shop-2 --cloud local-south --wait\n" +
        "  btar fork shop shop-before --cloud local-south --at 2026-03-01T10:00:00Z",
    );
  clientCommand(fork, findAccess, (context, [source = "", name = ""]) =>
    forkService(context, { source, name }, fork.opts()),
  );
  addLostRangeCommand(fork, findAccess, resolvePath);
  const restore = withTarget(
    program
      .command("restore")
      .description("restore only the files, ready to start under a server of your own")
      .requiredOption("--service <name>", "service to restore")
      .requiredOption("--location <cloud>", "cloud to restore from; the files are written on its agent's host")
      .requiredOption("--to <directory>", "directory that is empty or does not exist yet; with --delta an older one"),
  )
    .option("--delta", "restore over an older restore or a stopped server: read and write only what differs")
    .option("--tablespace-mapping <old=new>", "where a tablespace goes; may be repeated", collectPairs)
    .option("--tablespace-mapping-all <directory>", "where all other tablespaces go: below it")
    .option("--database <name>", "one database alone cannot be restored: says why, and what to do instead")
    .option("--no-wait", "do not wait for the end")
    .addHelpText(
      "after",
      "\nExamples:\n  btar restore --service shop --location local-south --to /srv/pg/restored\n" +
        "  btar restore --service shop --location local-south --to /srv/pg/data --delta",
    );
  clientCommand(restore, findAccess, (context) => restoreFiles(context, restore.opts(), resolvePath));
}

async function forkService(
  context: CommandContext,
  { source, name }: { readonly source: string; readonly name: string },
  options: ForkOptions,
): Promise<void> {
  if (options.cloud === undefined) context.refuse("required option '--cloud <cloud>' not specified");
  if (options.dryRun) return await planFork(context, source, { ...options, location: options.cloud });
  const answer = await context.api.inProject<ServiceAnswer>("POST", "/service", {
    service_name: name,
    ...(options.type !== undefined && { service_type: options.type }),
    cloud: options.cloud,
    ...(options.plan !== undefined && { plan: options.plan }),
    user_config: {
      service_to_fork_from: source,
      ...(options.at !== undefined && { recovery_target_time: options.at }),
      ...(options.gtid !== undefined && { recovery_target_gtid: options.gtid }),
      ...(options.backup !== undefined && { recovery_basebackup_name: options.backup }),
    },
  });
  if (options.wait) return await answerWhenRunning(context, name, options);
  context.output.answer(
    answer,
    () => `${source} is being forked to ${name}; wait for it with: btar service wait ${name}`,
  );
}

async function planFork(
  { api, output }: CommandContext,
  source: string,
  { location, at, gtid, backup }: TargetOptions & { readonly location: string | undefined },
): Promise<void> {
  const answer = await api.inProject<ForkPlanAnswer>("POST", `/service/${segment(source)}/btar/fork_plan`, {
    ...{ location, target_time: at ?? null, target_gtid: gtid ?? null, backup_name: backup ?? null },
  });
  output.answer(answer, () =>
    formatPairs([
      ["from", `${answer.location}${answer.is_up ? "" : ", which does not answer now"}`],
      ["base backup", answer.backup_name],
      [
        "to",
        answer.target_at === null ? `GTID ${gtid ?? ""}` : `${formatTime(answer.target_at)} UTC (${answer.target})`,
      ],
      ["files", formatBytes(answer.data_bytes)],
      ["log to replay", `of ${formatSeconds(answer.log_seconds)}`],
      ["takes about", answer.estimated_seconds === null ? "not known yet" : formatSeconds(answer.estimated_seconds)],
    ]),
  );
}

async function restoreFiles(context: CommandContext, options: RestoreOptions, resolvePath: ResolvePath): Promise<void> {
  const { api, output } = context;
  const mapping = (options.tablespaceMapping ?? []).map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), resolvePath(pair.slice(at + 1))] as const;
  });
  const asked = await api.inProject<JobAnswer>("POST", `/service/${segment(options.service)}/restore`, {
    location: options.location,
    directory: resolvePath(options.to),
    ...(options.at !== undefined && { target_time: options.at }),
    ...(options.gtid !== undefined && { target_gtid: options.gtid }),
    ...(options.backup !== undefined && { backup_name: options.backup }),
    ...(options.delta && { delta: true }),
    tablespace_mapping: Object.fromEntries(mapping),
    ...(options.tablespaceMappingAll !== undefined && {
      tablespace_directory: resolvePath(options.tablespaceMappingAll),
    }),
    ...(options.database !== undefined && { database: options.database }),
  });
  if (!options.wait) {
    output.answer(asked, () => `the restore was asked for; watch it with: btar jobs watch ${asked.job.id}`);
    return;
  }
  const job = await followJob(context, asked.job.id);
  const directory = resolvePath(options.to);
  const result = job.result ?? {};
  const { keptBytes, dataBytes } = result;
  const product = productText(result);
  const kept =
    options.delta && typeof keptBytes === "number" && typeof dataBytes === "number"
      ? `${formatBytes(keptBytes)} of ${formatBytes(dataBytes)} were there already, and kept\n`
      : "";
  output.answer(
    { job },
    () =>
      `restored to ${directory}${product === undefined ? "" : `, ${product}`}\n${kept}${startText(directory, result)}`,
  );
}
