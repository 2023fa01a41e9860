import type { Command } from "commander";
import type { BackupAnswer, BackupLocationAnswer, JobAnswer, ServiceAnswer } from "./api-answers.ts";
import { type CommandContext, type FindAccess, inContext, withCommonOptions } from "./command-context.ts";
import { formatBytes, formatMoment, formatPairs, formatTable, paintState } from "./format.ts";
import { followJob } from "./job-progress.ts";
import { answerWhenRunning, positive } from "./service-commands.ts";

interface RecoveryOptions {
  readonly cloud?: string;
  readonly at?: string;
  readonly backup?: string;
  readonly plan?: string;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly service?: string;
  readonly location?: string;
  readonly to?: string;
  readonly tablespaceMapping?: readonly string[];
}

export function addBackupCommands(
  program: Command,
  findAccess: FindAccess,
  resolvePath: (path: string) => string,
): void {
  const backup = program.command("backup").description("base backups, and where they are");
  const run = (command: Command, action: (context: CommandContext, values: readonly string[]) => Promise<void>) => {
    withCommonOptions(command).action(async (...values: unknown[]) => {
      const texts = values.filter((value): value is string => typeof value === "string");
      await inContext(findAccess, command, (context) => action(context, texts));
    });
    return command;
  };

  const create = backup
    .command("create <service>")
    .description("take a base backup now")
    .option("--wait", "wait until it is complete");
  run(create, (context, [service = ""]) => createBackup(context, service, create.opts()));
  run(backup.command("list <service>").description("list base backups, newest first"), (context, [service = ""]) =>
    listBackups(context, service),
  );
  run(
    backup.command("get <service> <backup>").description("show one base backup"),
    (context, [service = "", name = ""]) => getBackup(context, service, name),
  );

  const fork = program
    .command("fork <source> <new>")
    .description("make a new service from a backup of another, at any time it covers")
    .requiredOption("--cloud <cloud>", "where: the source's cloud, or one that holds a copy")
    .option("--at <time>", "point in time, with zone or in UTC; the latest by default")
    .option("--backup <name>", "start from this base backup; without --at nothing later is replayed")
    .option("-p, --plan <plan>", "size; the source's by default")
    .option("--wait", "wait until it runs, and print how to connect")
    .option("--timeout <seconds>", "for --wait", positive, 3600)
    .addHelpText("after", "\nExample:\n  btar fork shop shop-2 --cloud local-south --at 2026-03-01T10:00:00Z --wait");
  run(fork, (context, [source = "", name = ""]) => forkService(context, { source, name }, fork.opts()));

  const restore = program
    .command("restore")
    .description("restore only the files, ready to start under a server of your own")
    .requiredOption("--service <name>", "service to restore")
    .requiredOption("--location <cloud>", "cloud to restore from; the files are written on its agent's host")
    .requiredOption("--to <directory>", "directory that is empty or does not exist yet")
    .option("--at <time>", "point in time, with zone or in UTC; the latest by default")
    .option("--backup <name>", "start from this base backup; without --at nothing later is replayed")
    .option(
      "--tablespace-mapping <old=new>",
      "where a tablespace goes; may be repeated",
      (value: string, all: readonly string[] = []) => [...all, value],
    )
    .option("--no-wait", "do not wait for the end")
    .addHelpText("after", "\nExample:\n  btar restore --service shop --location local-south --to /srv/pg/restored");
  run(restore, (context) => restoreFiles(context, restore.opts(), resolvePath));
}

async function createBackup(
  { api, output }: CommandContext,
  service: string,
  options: { readonly wait?: boolean },
): Promise<void> {
  const path = `/service/${encodeURIComponent(service)}/backups`;
  const asked = await api.inProject<{ backup: BackupAnswer; job: JobAnswer }>("POST", path);
  const name = asked.backup.backup_name;
  if (!options.wait) {
    output.answer(asked, () => `base backup ${name} was asked for; watch it with: btar jobs watch ${asked.job.id}`);
    return;
  }
  await followJob(api, output, asked.job.id);
  const answer = await api.inProject<{ backup: BackupAnswer }>("GET", `${path}/${encodeURIComponent(name)}`);
  output.answer(answer, () => backupText(answer.backup));
}

async function listBackups({ api, output }: CommandContext, service: string): Promise<void> {
  const path = `/service/${encodeURIComponent(service)}/backups?all=true`;
  const answer = await api.inProject<{ backups: readonly BackupAnswer[] }>("GET", path);
  output.answer(answer, () => {
    if (answer.backups.length === 0) return "no base backups yet";
    const rows = answer.backups.map((backup) => [
      backup.backup_name,
      paintState(backup.state),
      formatMoment(backup.backup_time),
      formatBytes(backup.data_size),
      formatBytes(backup.stored_size),
      backup.locations.map(locationText).join(", "),
      backup.trouble ?? "",
    ]);
    return formatTable(["backup", "state", "time", "data", "stored", "locations", "trouble"], rows);
  });
}

async function getBackup({ api, output }: CommandContext, service: string, name: string): Promise<void> {
  const path = `/service/${encodeURIComponent(service)}/backups/${encodeURIComponent(name)}`;
  const answer = await api.inProject<{ backup: BackupAnswer }>("GET", path);
  output.answer(answer, () => backupText(answer.backup));
}

function locationText(location: BackupLocationAnswer): string {
  const share =
    location.state === "copying" && location.total_bytes > 0
      ? ` ${Math.floor((100 * location.done_bytes) / location.total_bytes)} %`
      : "";
  return `${location.cloud}: ${paintState(location.state)}${share}${location.trouble ? ` (${location.trouble})` : ""}`;
}

function backupText(backup: BackupAnswer): string {
  return formatPairs([
    ["backup", backup.backup_name],
    ["state", paintState(backup.state)],
    ["time", formatMoment(backup.backup_time)],
    ["data", formatBytes(backup.data_size)],
    ["stored", formatBytes(backup.stored_size)],
    ["reason", backup.reason],
    ...(backup.trouble === null ? [] : ([["trouble", backup.trouble]] as const)),
    ...backup.locations.map((location) => [location.role, locationText(location)] as const),
  ]);
}

async function forkService(
  context: CommandContext,
  names: { readonly source: string; readonly name: string },
  options: RecoveryOptions,
): Promise<void> {
  const { api, output } = context;
  const { source, name } = names;
  const plan = options.plan ?? (await planOf(context, source));
  const answer = await api.inProject<{ service: ServiceAnswer }>("POST", "/service", {
    service_name: name,
    service_type: "pg",
    cloud: options.cloud,
    plan,
    user_config: {
      service_to_fork_from: source,
      ...(options.at === undefined ? {} : { recovery_target_time: options.at }),
      ...(options.backup === undefined ? {} : { recovery_basebackup_name: options.backup }),
    },
  });
  if (options.wait) await answerWhenRunning(context, name, options);
  else output.answer(answer, () => `${source} is being forked to ${name}; wait for it with: btar service wait ${name}`);
}

/** The source's plan; a deleted source can be forked too, with the smallest that usually fits. */
async function planOf({ api }: CommandContext, source: string): Promise<string> {
  const { services } = await api.inProject<{ services: readonly ServiceAnswer[] }>("GET", "/service");
  return services.find(({ service_name }) => service_name === source)?.plan ?? "startup-4";
}

async function restoreFiles(
  { api, output }: CommandContext,
  options: RecoveryOptions,
  resolvePath: (path: string) => string,
): Promise<void> {
  const mapping = (options.tablespaceMapping ?? []).map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), resolvePath(pair.slice(at + 1))] as const;
  });
  const asked = await api.inProject<{ job: JobAnswer }>(
    "POST",
    `/service/${encodeURIComponent(options.service ?? "")}/restore`,
    {
      location: options.location,
      directory: resolvePath(options.to ?? ""),
      ...(options.at === undefined ? {} : { target_time: options.at }),
      ...(options.backup === undefined ? {} : { backup_name: options.backup }),
      tablespace_mapping: Object.fromEntries(mapping),
    },
  );
  if (options.wait === false) {
    output.answer(asked, () => `the restore was asked for; watch it with: btar jobs watch ${asked.job.id}`);
    return;
  }
  const job = await followJob(api, output, asked.job.id);
  const { directory, version } = job.result ?? {};
  output.answer(
    { job },
    () =>
      `restored to ${String(directory)} (PostgreSQL ${String(version)})\n` +
      "give it to the user that PostgreSQL runs as (chown -R), then start it: it recovers by itself\n" +
      `  pg_ctl -D ${String(directory)} start`,
  );
}
