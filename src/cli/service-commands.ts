import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { JobAnswer, ServiceAnswer } from "./api-answers.ts";
import { type CommandContext, type FindAccess, inContext, withCommonOptions } from "./command-context.ts";
import { formatMoment, formatPairs, formatTable, paintState } from "./format.ts";
import { describeJob, followJob } from "./job-progress.ts";

const pollMs = 500;
const defaultTimeoutSeconds = 600;

interface ServiceOptions {
  readonly type?: string;
  readonly cloud?: string;
  readonly plan?: string;
  readonly config?: readonly string[];
  readonly additionalBackupRegion?: readonly string[] | false;
  readonly wait?: boolean;
  readonly timeout?: number;
  readonly powerOn?: boolean;
  readonly powerOff?: boolean;
  readonly terminationProtection?: boolean;
  readonly uri?: string;
  readonly ca?: string;
  readonly checkOnly?: boolean;
  readonly yes?: boolean;
}

const collect = (value: string, all: readonly string[] = []): readonly string[] => [...all, value];

export function addServiceCommands(
  program: Command,
  findAccess: FindAccess,
  readFile: (path: string) => Promise<string>,
): void {
  const service = program
    .command("service")
    .description("services: databases that btar backs up, and those it also runs");
  const define = (
    text: string,
    description: string,
    action: (context: CommandContext, name: string, options: ServiceOptions) => Promise<void>,
  ): Command => {
    const command = withCommonOptions(service.command(text).description(description));
    command.action(async (...values: unknown[]) => {
      const name = typeof values[0] === "string" ? values[0] : "";
      await inContext(findAccess, command, (context) => action(context, name, command.opts()));
    });
    return command;
  };

  define("create <name>", "create a service that btar runs", createService)
    .option("-t, --type <type>", "engine", "pg")
    .requiredOption("--cloud <cloud>", "cloud to run in")
    .option("-p, --plan <plan>", "size and retention", "startup-4")
    .option("-c, --config <key=value>", "setting; may be repeated", collect)
    .option("--additional-backup-region <cloud>", "copy backups there; may be repeated", collect)
    .option("--wait", "wait until it runs, and print how to connect")
    .option("--timeout <seconds>", "for --wait", positive, defaultTimeoutSeconds)
    .addHelpText(
      "after",
      "\nExample:\n  btar service create shop --cloud local-north --additional-backup-region local-south --wait",
    );
  define("list", "list services", listServices);
  define("get <name>", "show a service, and how to connect to it", getService);
  define("update <name>", "change a service; what is not named stays", updateService)
    .option("-p, --plan <plan>", "size and retention")
    .option("-c, --config <key=value>", "setting, or key=null to remove it; may be repeated", collect)
    .option("--additional-backup-region <cloud>", "copy backups to exactly these clouds; may be repeated", collect)
    .option("--no-additional-backup-region", "copy backups nowhere")
    .option("--power-on", "start it")
    .option("--power-off", "stop it; its backups stay")
    .option("--termination-protection", "refuse deletion and power-off")
    .option("--no-termination-protection", "allow them again");
  define("delete <name>", "delete a service; its backups stay for a while", deleteService).option(
    "--yes",
    "do not ask",
  );
  define(
    "detach <name>",
    "end the backups of an attached service; its replication slot is dropped",
    deleteService,
  ).option("--yes", "do not ask");
  define("wait <name>", "wait until a service runs", waitService).option(
    "--timeout <seconds>",
    "give up after",
    positive,
    defaultTimeoutSeconds,
  );
  define("attach <name>", "back up a database that btar does not run", (context, name, options) =>
    attachService(context, name, { ...options, readFile }),
  )
    .requiredOption("--cloud <cloud>", "cloud whose store holds the primary backup")
    .requiredOption("--uri <uri>", "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full")
    .option("--ca <file>", "PEM file of the authority to trust")
    .option("-c, --config <key=value>", "setting; may be repeated", collect)
    .option("--additional-backup-region <cloud>", "copy backups there; may be repeated", collect)
    .option("--check-only", "only say what is missing")
    .option("--wait", "wait until its backups run")
    .option("--timeout <seconds>", "for --wait", positive, defaultTimeoutSeconds)
    .addHelpText(
      "after",
      "\nExample:\n  btar service attach shop --cloud local-north --uri 'postgres://btar:SECRET@db.example.com/postgres'",
    );
}

/** A positive number of seconds. */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Give a number of seconds above 0.");
}

async function createService({ api, output }: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  const answer = await api.inProject<{ service: ServiceAnswer }>("POST", "/service", {
    service_name: name,
    service_type: options.type ?? "pg",
    plan: options.plan ?? "startup-4",
    cloud: options.cloud,
    user_config: userConfig(options),
  });
  if (!options.wait) {
    output.answer(answer, () => `${name} is being created; wait for it with: btar service wait ${name}`);
    return;
  }
  await answerWhenRunning({ api, output }, name, options);
}

/** Waits, then says how to connect. */
export async function answerWhenRunning(
  context: CommandContext,
  name: string,
  options: { readonly timeout?: number },
): Promise<void> {
  const service = await untilRunning(context, name, options.timeout ?? defaultTimeoutSeconds);
  context.output.answer({ service }, () => connectionText(service));
}

async function listServices({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<{ services: readonly ServiceAnswer[] }>("GET", "/service");
  output.answer(answer, () => {
    if (answer.services.length === 0) return "no services yet; make one with: btar service create NAME --cloud CLOUD";
    const rows = answer.services.map((service) => [
      service.service_name,
      `${service.service_type} ${String(service.user_config["pg_version"] ?? "")}`,
      service.service_kind,
      service.cloud_name,
      service.plan,
      paintState(service.state),
      service.trouble ?? "",
    ]);
    return formatTable(["name", "type", "kind", "cloud", "plan", "state", "trouble"], rows);
  });
}

async function getService({ api, output }: CommandContext, name: string): Promise<void> {
  const answer = await api.inProject<{ service: ServiceAnswer }>("GET", `/service/${encodeURIComponent(name)}`);
  output.answer(answer, () => serviceText(answer.service));
}

function serviceText(service: ServiceAnswer): string {
  const regions = service.user_config["additional_backup_regions"];
  const pairs: (readonly [string, string])[] = [
    ["name", service.service_name],
    ["state", paintState(service.state)],
    ["type", `${service.service_type} ${String(service.user_config["pg_version"] ?? "")} (${service.service_kind})`],
    ["cloud", service.cloud_name],
    ["plan", service.plan],
    ["backups copied to", Array.isArray(regions) && regions.length > 0 ? regions.join(", ") : "nowhere"],
    ["created", formatMoment(service.create_time)],
    ["databases", service.databases.join(", ") || "-"],
    ["users", service.users.map(({ username }) => username).join(", ") || "-"],
  ];
  if (service.trouble !== null) pairs.push(["trouble", service.trouble]);
  for (const [key, value] of Object.entries(service.forked_from ?? {})) {
    if (["serviceName", "cloud", "backupId", "target", "stoppedAt", "lastCommitAt"].includes(key)) {
      pairs.push([`fork: ${key}`, value]);
    }
  }
  if (service.service_uri !== null) pairs.push(["connect", `psql '${service.service_uri}'`]);
  return formatPairs(pairs);
}

async function updateService({ api, output }: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  if (options.powerOn && options.powerOff) {
    throw new BtarError("INVALID_INPUT", { message: "--power-on and --power-off exclude each other" });
  }
  const powered = options.powerOn ? true : options.powerOff ? false : undefined;
  const body = {
    user_config: userConfig(options),
    ...(options.plan === undefined ? {} : { plan: options.plan }),
    ...(powered === undefined ? {} : { powered }),
    ...(options.terminationProtection === undefined ? {} : { termination_protection: options.terminationProtection }),
  };
  const answer = await api.inProject<{ service: ServiceAnswer }>("PUT", `/service/${encodeURIComponent(name)}`, body);
  output.answer(answer, () => serviceText(answer.service));
}

async function deleteService({ api, output }: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  if (!options.yes && !process.stdin.isTTY) {
    throw new BtarError("INVALID_INPUT", {
      message: `${name} was not deleted`,
      hint: "say --yes when no one can be asked",
    });
  }
  if (!options.yes && !(await isConfirmed(name))) {
    throw new BtarError("CANCELLED", { message: `${name} was not deleted` });
  }
  const answer = await api.inProject<{ message: string }>("DELETE", `/service/${encodeURIComponent(name)}`);
  output.answer(answer, () => `${name}: ${answer.message}`);
}

async function isConfirmed(name: string): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await prompt.question(`Type the name of the service to delete it (${name}): `)) === name;
  } finally {
    prompt.close();
  }
}

async function waitService(context: CommandContext, name: string, options: ServiceOptions): Promise<void> {
  await answerWhenRunning(context, name, options);
}

async function attachService(
  context: CommandContext,
  name: string,
  options: ServiceOptions & { readonly readFile: (path: string) => Promise<string> },
): Promise<void> {
  const { api, output } = context;
  const source = { uri: options.uri, ...(options.ca === undefined ? {} : { ca: await options.readFile(options.ca) }) };
  if (options.checkOnly) {
    const answer = await api.inProject<{ findings: readonly Finding[] }>("POST", "/service/attach/preflight", source);
    output.answer(answer, () => findingsText(answer.findings));
    if (answer.findings.some(({ severity }) => severity === "error")) process.exitCode = 1;
    return;
  }
  const answer = await api.inProject<{ service: ServiceAnswer; findings: readonly Finding[] }>(
    "POST",
    "/service/attach",
    {
      service_name: name,
      cloud: options.cloud,
      ...source,
      user_config: userConfig(options),
    },
  );
  for (const { message, fix } of answer.findings) output.note(`warning: ${message}; mend it: ${fix}`);
  if (options.wait) await answerWhenRunning(context, name, options);
  else output.answer(answer, () => `${name} is attached; its first base backup starts now: btar status ${name}`);
}

interface Finding {
  readonly check: string;
  readonly severity: string;
  readonly message: string;
  readonly fix: string;
}

function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return "nothing is missing";
  const rows = findings.map(({ severity, check, message, fix }) => [paintState(severity), check, message, fix]);
  return formatTable(["severity", "check", "what", "mend it with"], rows);
}

/** @throws {BtarError} TIMED_OUT, or the failure of the job that creates it */
async function untilRunning(
  { api, output }: CommandContext,
  name: string,
  timeoutSeconds: number,
): Promise<ServiceAnswer> {
  const path = `/service/${encodeURIComponent(name)}`;
  const deadline = Date.now() + timeoutSeconds * 1000;
  try {
    while (Date.now() < deadline) {
      const { jobs } = await api.inProject<{ jobs: readonly JobAnswer[] }>("GET", `${path}/jobs`);
      const job = jobs.find(({ kind }) => kind === "provision" || kind === "fork" || kind === "apply");
      if (job?.state === "failed") await followJob(api, output, job.id);
      const { service } = await api.inProject<{ service: ServiceAnswer }>("GET", path);
      if (service.state === "RUNNING") return service;
      output.progress(job ? describeJob(job) : service.state);
      await sleep(pollMs);
    }
  } finally {
    output.progressEnd();
  }
  throw new BtarError("TIMED_OUT", {
    message: `${name} is not running after ${timeoutSeconds} s`,
    hint: `see \`btar jobs list\``,
  });
}

function connectionText(service: ServiceAnswer): string {
  if (service.service_uri === null) return `${service.service_name} runs`;
  return `${service.service_name} runs. Connect with:\n  psql '${service.service_uri}'`;
}

/** `key=value` settings; values are JSON where they read as such, texts otherwise; dots reach into objects. */
export function userConfig(
  options: Pick<ServiceOptions, "config" | "additionalBackupRegion">,
): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const setting of options.config ?? []) {
    const at = setting.indexOf("=");
    if (at < 1) throw new BtarError("INVALID_INPUT", { message: `-c ${setting}`, hint: "give -c KEY=VALUE" });
    const [first = "", ...rest] = setting.slice(0, at).split(".");
    const value = settingValue(first, setting.slice(at + 1));
    if (rest.length === 0) config[first] = value;
    else config[first] = { ...(config[first] as object | undefined), [rest.join(".")]: value };
  }
  const regions = options.additionalBackupRegion;
  if (regions === false) config["additional_backup_regions"] = [];
  else if (Array.isArray(regions)) config["additional_backup_regions"] = regions;
  return config;
}

const textKeys = new Set(["pg_version", "admin_username", "admin_password", "recovery_target_time"]);

function settingValue(key: string, text: string): unknown {
  if (text === "null") return null;
  if (textKeys.has(key)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: a text as it stands
  }
}
