import type { Command } from "commander";
import type { Backup, BackupAnswer, BackupsAnswer, NewBackupAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatBytes, formatMoment, formatPairs, formatTable, formatTime, oneLine, paintState } from "./format.ts";
import { followJob } from "./job-progress.ts";
import { addRetentionCommands, expiryText } from "./retention-commands.ts";

/** @param backup the command `backup` */
export function addBackupCommands(backup: Command, findAccess: FindAccess): void {
  const create = backup
    .command("create <service>")
    .description("take a base backup now")
    .option("--wait", "wait until it is complete in its own cloud")
    .addHelpText("after", "\nExample:\n  btar backup create shop --wait");
  clientCommand(create, findAccess, (context, [service = ""]) => createBackup(context, service, create.opts()));
  const list = backup.command("list <service>").description("list base backups, newest first");
  clientCommand(list, findAccess, (context, [service = ""]) => listBackups(context, service));
  const get = backup.command("get <service> <backup>").description("show one base backup, and where it is");
  clientCommand(get, findAccess, (context, [service = "", name = ""]) => getBackup(context, service, name));
  addRetentionCommands(backup, findAccess);
}

async function createBackup(
  context: CommandContext,
  service: string,
  options: { readonly wait?: boolean },
): Promise<void> {
  const { api, output } = context;
  const path = `/service/${segment(service)}/backups`;
  const asked = await api.inProject<NewBackupAnswer>("POST", path);
  const name = asked.backup.backup_name;
  if (!options.wait) {
    output.answer(asked, () => `base backup ${name} was asked for; watch it with: btar jobs watch ${asked.job.id}`);
    return;
  }
  await followJob(context, asked.job.id);
  const answer = await api.inProject<BackupAnswer>("GET", `${path}/${segment(name)}`);
  output.answer(answer, () => backupText(answer.backup));
}

async function listBackups({ api, output }: CommandContext, service: string): Promise<void> {
  const answer = await api.inProject<BackupsAnswer>("GET", `/service/${segment(service)}/backups?all=true`);
  output.answer(answer, () => {
    if (answer.backups.length === 0) return "no base backups yet";
    const rows = answer.backups.map((backup) => [
      backup.backup_name,
      paintState(backup.state),
      formatMoment(backup.backup_time),
      formatBytes(backup.data_size),
      formatBytes(backup.stored_size),
      backup.locations.map(locationText).join(", "),
      expiryText(backup),
      oneLine(backup.trouble ?? ""),
    ]);
    const table = formatTable(["backup", "state", "time", "data", "stored", "locations", "expires", "trouble"], rows);
    const detours = answer.backups.flatMap(({ backup_name, read_by }) =>
      read_by === null ? [] : [`${backup_name} was read by ${oneLine(read_by)}`],
    );
    return [[table, ...detours].join("\n"), windowsText(answer)].join("\n\n");
  });
}

/** The times that can be restored, by location. */
function windowsText({ backups, pitr }: BackupsAnswer): string {
  const { pitr_range_start: start, pitr_range_end: end } = pitr.primary_region;
  const primary = { cloud: backups[0]?.storage_location ?? "the primary", start, end };
  const additional = pitr.additional_regions.map((region) => {
    return { cloud: region.cloud, start: region.pitr_range_start, end: region.pitr_range_end };
  });
  return formatTable(
    ["location", "can be restored to (UTC)"],
    [primary, ...additional].map((each) => [
      each.cloud,
      each.start && each.end ? `${formatTime(each.start)} to ${formatTime(each.end)}` : "nothing yet",
    ]),
  );
}

async function getBackup({ api, output }: CommandContext, service: string, name: string): Promise<void> {
  const answer = await api.inProject<BackupAnswer>("GET", `/service/${segment(service)}/backups/${segment(name)}`);
  output.answer(answer, () => backupText(answer.backup));
}

function locationText(location: Backup["locations"][number]): string {
  const isCounted = location.state === "copying" && location.total_bytes > 0;
  const share = isCounted ? ` ${Math.floor((100 * location.done_bytes) / location.total_bytes)} %` : "";
  const trouble = location.trouble === null ? "" : ` (${oneLine(location.trouble)})`;
  return `${location.cloud}: ${paintState(location.state)}${share}${trouble}`;
}

function backupText(backup: Backup): string {
  const pairs: (readonly [string, string])[] = [
    ["backup", backup.backup_name],
    ["state", paintState(backup.state)],
    ["time", formatMoment(backup.backup_time)],
    ["data", `${formatBytes(backup.data_size)} in ${backup.file_count} files`],
    ["stored", formatBytes(backup.stored_size)],
    ["reason", backup.reason],
  ];
  if (backup.engine_version !== null) pairs.push(["version", backup.engine_version]);
  if (backup.read_by !== null) pairs.push(["read by", oneLine(backup.read_by)]);
  if (backup.consistent_time !== null) pairs.push(["restorable from", formatMoment(backup.consistent_time)]);
  const expiry = expiryText(backup);
  if (expiry !== "") pairs.push(["expires", expiry]);
  if (backup.trouble !== null) pairs.push(["trouble", oneLine(backup.trouble)]);
  for (const location of backup.locations) pairs.push([location.role, locationText(location)]);
  return formatPairs(pairs);
}
