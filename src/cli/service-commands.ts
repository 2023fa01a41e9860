import { createInterface } from "node:readline/promises";
import { type Command, Option } from "commander";
import { engineNames } from "../domain/engine-name.ts";
import { BtarError } from "../domain/errors.ts";
import type { DeletedServicesAnswer, Service, ServiceAnswer, ServicesAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { connectCommand, engineText } from "./engine-commands.ts";
import { formatMoment, formatPairs, formatTable, formatTime, oneLine, paintState } from "./format.ts";
import { collect, collectPairs, type SettingOptions, seconds, userConfig } from "./setting-options.ts";
import { answerWhenRunning } from "./wait-for-service.ts";

interface ServiceOptions extends SettingOptions {
  readonly type?: string;
  readonly cloud?: string;
  readonly plan?: string;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly powerOn?: boolean;
  readonly powerOff?: boolean;
  readonly terminationProtection?: boolean;
  readonly yes?: boolean;
  readonly deleted?: boolean;
  readonly id?: string;
}

const defaultTimeoutSeconds = 600;
const defaultRestoreTimeoutSeconds = 3600;

/** @param service the command `service` */
export function addServiceCommands(service: Command, findAccess: FindAccess): void {
  const define = (
    text: string,
    description: string,
    work: (context: CommandContext, name: string, options: ServiceOptions) => Promise<void>,
  ): Command => {
    const command = service.command(text).description(description);
    return clientCommand(command, findAccess, (context, [name = ""]) => work(context, name, command.opts()));
  };

  define("create <name>", "create a service that btar runs", createService)
    .option("-t, --type <type>", `engine: ${engineNames.join(" or ")}`, "pg")
    .requiredOption("--cloud <cloud>", "cloud to run in")
    .option("-p, --plan <plan>", "size, and how long backups are kept", "startup-4")
    .option("-c, --config <key=value>", "setting; may be repeated", collectPairs)
    .option("--additional-backup-region <cloud>", "copy backups there; may be repeated", collect)
    .option("--wait", "wait until it runs, and print how to connect")
    .option("--timeout <seconds>", "for --wait", seconds, defaultTimeoutSeconds)
    .addHelpText(
      "after",
      "\nExamples:\n  btar service create shop --cloud local-north --additional-backup-region local-south --wait\n" +
        "  btar service create shop --cloud local-north -c pg_version=17 -c pg.work_mem=16\n" +
        "  btar service create shop --type mysql --cloud local-north -c mysql.max_connections=200",
    );
  define("list", "list services", listServices)
    .option("--deleted", "those that were deleted and still have backups")
    .addHelpText("after", "\nExample:\n  btar service list --deleted");
  define(
    "undelete <name>",
    "take a deletion back, with all backups; or attach a detached service again",
    undeleteService,
  )
    .option("--id <uuid>", "which one, where several of that name were deleted; the last by default")
    .option("--wait", "wait until it runs, and print how to connect")
    .option("--timeout <seconds>", "for --wait", seconds, defaultRestoreTimeoutSeconds)
    .addHelpText("after", "\nExample:\n  btar service undelete shop --wait");
  define("get <name>", "show a service, and how to connect to it", getService);
  define("update <name>", "change a service; what is not named stays", updateService)
    .option("-p, --plan <plan>", "size, and how long backups are kept")
    .option("-c, --config <key=value>", "setting, or key=null to remove it; may be repeated", collectPairs)
    .option("--additional-backup-region <cloud>", "copy backups to exactly these clouds; may be repeated", collect)
    .option("--no-additional-backup-region", "copy backups nowhere")
    .option("--power-on", "start it")
    .addOption(new Option("--power-off", "stop it; its backups stay").conflicts("powerOn"))
    .option("--termination-protection", "refuse deletion and power-off")
    .option("--no-termination-protection", "allow them again")
    .addHelpText("after", "\nExample:\n  btar service update shop --additional-backup-region local-south");
  define("delete <name>", "delete a service; its backups stay for a while", deleteService)
    .option("-y, --yes", "do not ask")
    .addHelpText("after", "\nExample:\n  btar service delete shop --yes");
  define("wait <name>", "wait until a service runs", answerWhenRunning)
    .option("--timeout <seconds>", "give up after", seconds, defaultTimeoutSeconds)
    .addHelpText("after", "\nExample:\n  btar service wait shop --timeout 60");
}

async function createService(context: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  const { api, output } = context;
  const answer = await api.inProject<ServiceAnswer>("POST", "/service", {
    service_name: name,
    service_type: options.type,
    plan: options.plan,
    cloud: options.cloud,
    user_config: userConfig(options) ?? {},
  });
  if (options.wait) await answerWhenRunning(context, name, options);
  else output.answer(answer, () => `${name} is being created; wait for it with: btar service wait ${name}`);
}

async function listServices(context: CommandContext, _name: string, options: ServiceOptions): Promise<void> {
  if (options.deleted) return await listDeletedServices(context);
  const { api, output } = context;
  const answer = await api.inProject<ServicesAnswer>("GET", "/service");
  output.answer(answer, () => {
    if (answer.services.length === 0) return "no services yet; make one with: btar service create NAME --cloud CLOUD";
    const rows = answer.services.map((service) => [
      service.service_name,
      engineText(service),
      service.service_kind,
      service.cloud_name,
      service.plan,
      paintState(service.state),
      oneLine(service.trouble ?? ""),
    ]);
    return formatTable(["name", "type", "kind", "cloud", "plan", "state", "trouble"], rows);
  });
}

async function listDeletedServices({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<DeletedServicesAnswer>("GET", "/btar/deleted_services");
  output.answer(answer, () => {
    if (answer.services.length === 0) return "no deleted service has backups";
    const rows = answer.services.flatMap((service) =>
      service.locations.map(({ cloud, role, recovery_window: window }) => [
        service.service_name,
        `${service.service_type}, ${service.service_kind}`,
        formatMoment(service.delete_time),
        formatTime(service.backups_until),
        `${cloud} (${role})`,
        window ? `${formatTime(window.earliest_at)} to ${formatTime(window.latest_at)}` : "nothing",
        service.service_id,
      ]),
    );
    const header = ["name", "type", "deleted", "backups until (UTC)", "location", "can be restored to (UTC)", "id"];
    return formatTable(header, rows);
  });
}

async function undeleteService(context: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  const { api, output } = context;
  const body = options.id === undefined ? {} : { service_id: options.id };
  const answer = await api.inProject<ServiceAnswer>("POST", `/service/${segment(name)}/btar/undelete`, body);
  if (options.wait) await answerWhenRunning(context, name, options);
  else output.answer(answer, () => `${name} is being restored; wait for it with: btar service wait ${name}`);
}

async function getService({ api, output }: CommandContext, name: string): Promise<void> {
  const answer = await api.inProject<ServiceAnswer>("GET", `/service/${segment(name)}`);
  output.answer(answer, () => serviceText(answer.service));
}

function serviceText(service: Service): string {
  const regions = service.user_config["additional_backup_regions"];
  const pairs: (readonly [string, string])[] = [
    ["name", service.service_name],
    ["state", paintState(service.state)],
    ["type", `${engineText(service)}, ${service.service_kind}`],
    ["cloud", service.cloud_name],
    ["plan", service.plan],
    ["backups copied to", Array.isArray(regions) && regions.length > 0 ? regions.join(", ") : "nowhere"],
    ["created", formatMoment(service.create_time)],
    ["databases", service.databases.join(", ") || "-"],
    ["users", service.users.map(({ username }) => username).join(", ") || "-"],
  ];
  if (service.trouble !== null) pairs.push(["trouble", oneLine(service.trouble)]);
  const fork = service.forked_from;
  if (fork) {
    pairs.push(["forked from", `${fork.serviceName}, base backup ${fork.backupId} in ${fork.cloud}`]);
    pairs.push(["fork target", exactTime(fork.target)]);
    if (fork.stoppedAt !== undefined) pairs.push(["recovered up to", fork.stoppedAt]);
    if (fork.lastCommitAt !== undefined) {
      const gtid = fork.lastGtid === undefined ? "" : ` (${fork.lastGtid})`;
      pairs.push(["last transaction", `${exactTime(fork.lastCommitAt)}${gtid}`]);
    }
  }
  const connect = connectCommand(service);
  if (connect !== undefined) pairs.push(["connect", connect]);
  return formatPairs(pairs);
}

/** A moment with all its digits; what is none stays as it is. */
function exactTime(text: string): string {
  return text.replace(/^(\d{4}-\d{2}-\d{2})T([\d:.]+)Z$/, "$1 $2 UTC");
}

async function updateService(context: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  const config = userConfig(options);
  const powered = options.powerOn ? true : options.powerOff ? false : undefined;
  const body = {
    ...(config && { user_config: config }),
    ...(options.plan !== undefined && { plan: options.plan }),
    ...(powered !== undefined && { powered }),
    ...(options.terminationProtection !== undefined && { termination_protection: options.terminationProtection }),
  };
  if (Object.keys(body).length === 0) context.refuse("nothing to change was named");
  const answer = await context.api.inProject<ServiceAnswer>("PUT", `/service/${segment(name)}`, body);
  context.output.answer(answer, () => serviceText(answer.service));
}

async function deleteService(context: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  const { api, output } = context;
  if (!options.yes && !process.stdin.isTTY) context.refuse(`say --yes to delete ${name}, for nobody can be asked here`);
  if (!options.yes && !(await isConfirmed(name))) {
    throw new BtarError("CANCELLED", { message: `${name} was not deleted: what was typed is not its name` });
  }
  const answer = await api.inProject<{ readonly message: string }>("DELETE", `/service/${segment(name)}`);
  output.answer(
    answer,
    () =>
      `${name}: ${oneLine(answer.message)}; while its backups stay, take it back with: btar service undelete ${name}`,
  );
}

async function isConfirmed(name: string): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await prompt.question(`Type the name of the service to delete it (${name}): `)) === name;
  } finally {
    prompt.close();
  }
}
