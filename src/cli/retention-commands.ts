import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { Backup, BackupAnswer, DeleteBackupAnswer, Protection } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTime, oneLine } from "./format.ts";
import { followJob } from "./job-progress.ts";

interface DeleteOptions {
  readonly location?: string;
  readonly forceLast?: boolean;
  readonly yes?: boolean;
  readonly wait?: boolean;
}

interface KeepOptions {
  readonly until?: string;
  readonly release?: boolean;
}

interface RetentionOptions {
  readonly location: string;
  readonly days?: string;
  readonly default?: boolean;
}

/** @param backup the command `backup` */
export function addRetentionCommands(backup: Command, findAccess: FindAccess): void {
  const remove = backup
    .command("delete <service> <backup>")
    .description("delete one base backup; others that were built on it stay whole")
    .option("--location <cloud>", "only from there; everywhere by default")
    .option("--force-last", "also when it is the last complete one of a location")
    .option("--wait", "wait until it is gone from the stores")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", "\nExample:\n  btar backup delete shop 2026-03-01T03-30-04Z-1f3a --yes");
  clientCommand(remove, findAccess, (context, [service = "", name = ""]) =>
    deleteBackup(context, { service, name }, remove.opts()),
  );
  const keep = backup
    .command("keep <service> <backup>")
    .description("keep one base backup beyond its retention, to be restored as it was at its end")
    .option("--until <time>", "until then; without end by default")
    .option("--release", "keep it no longer than its retention")
    .addHelpText("after", "\nExample:\n  btar backup keep shop 2026-03-01T03-30-04Z-1f3a --until 2027-01-01T00:00:00Z");
  clientCommand(keep, findAccess, (context, [service = "", name = ""]) =>
    keepBackup(context, { service, name }, keep.opts()),
  );
  const retention = backup
    .command("retention <service>")
    .description("set how long backups are kept in one cloud")
    .requiredOption("--location <cloud>", "there")
    .option("--days <days>", "this many days")
    .option("--default", "as long as in the others: backup_retention_days, else by plan")
    .addHelpText("after", "\nExample:\n  btar backup retention shop --location aws-eu-central-1 --days 30");
  clientCommand(retention, findAccess, (context, [service = ""]) => setRetention(context, service, retention.opts()));
}

interface Named {
  readonly service: string;
  readonly name: string;
}

function pathOf({ service, name }: Named): string {
  return `/service/${segment(service)}/backups/${segment(name)}`;
}

async function deleteBackup(context: CommandContext, named: Named, options: DeleteOptions): Promise<void> {
  const { api, output } = context;
  const { name } = named;
  if (!options.yes && !process.stdin.isTTY) context.refuse(`say --yes to delete ${name}, for nobody can be asked here`);
  if (!options.yes && !(await isConfirmed(name))) {
    throw new BtarError("CANCELLED", { message: `${name} was not deleted: what was typed is not its name` });
  }
  const query = new URLSearchParams({
    ...(options.location !== undefined && { location: options.location }),
    ...(options.forceLast && { force_last: "true" }),
  });
  const answer = await api.inProject<DeleteBackupAnswer>("DELETE", `${pathOf(named)}?${query.toString()}`);
  if (options.wait) {
    for (const { id } of answer.jobs) await followJob(context, id);
  }
  output.answer(answer, () => (options.wait ? `base backup ${name} is deleted` : oneLine(answer.message)));
}

async function isConfirmed(name: string): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await prompt.question(`Type the name of the base backup to delete it (${name}): `)) === name;
  } finally {
    prompt.close();
  }
}

async function keepBackup(context: CommandContext, named: Named, options: KeepOptions): Promise<void> {
  const { api, output } = context;
  if (options.release && options.until !== undefined) context.refuse("--release and --until exclude each other");
  const body = options.release ? { kept: false } : { kept: true, keep_until: options.until ?? null };
  const answer = await api.inProject<BackupAnswer>("PUT", pathOf(named), body);
  output.answer(
    answer,
    () => `base backup ${named.name}: ${expiryText(answer.backup) || "kept while it is the newest"}`,
  );
}

async function setRetention(context: CommandContext, service: string, options: RetentionOptions): Promise<void> {
  const { api, output } = context;
  const { location, days } = options;
  if ((days === undefined) === (options.default === undefined)) context.refuse("say either --days or --default");
  if (days !== undefined && !/^[1-9]\d{0,3}$/.test(days))
    context.refuse(`--days is "${days}", and must be a number of days`);
  const path = `/service/${segment(service)}/btar/locations/${segment(location)}`;
  const answer = await api.inProject<Protection>("PUT", path, {
    retention_days: days === undefined ? null : Number(days),
  });
  const set = answer.locations.find(({ cloud }) => cloud === location);
  output.answer(answer, () => `backups of ${service} in ${location} are kept ${set?.retention_days ?? "?"} days`);
}

/** When a base backup goes: `kept`, `kept until …`, or a time for each location where they differ. */
export function expiryText(backup: Backup): string {
  if (backup.kept) return backup.keep_until === null ? "kept" : `kept until ${formatTime(backup.keep_until)}`;
  const times = backup.locations.flatMap(({ cloud, expire_time }) =>
    expire_time === null ? [] : [{ cloud, time: formatTime(expire_time) }],
  );
  const distinct = new Set(times.map(({ time }) => time));
  const [first] = distinct;
  if (first === undefined) return "";
  return distinct.size === 1 ? first : times.map(({ cloud, time }) => `${cloud}: ${time}`).join(", ");
}
