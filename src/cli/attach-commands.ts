import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import { serviceUriForms } from "../domain/service-uri.ts";
import type { AttachAnswer, PreflightAnswer, ServiceAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { exitCodes } from "./exit-codes.ts";
import { formatTable, oneLine, paintState } from "./format.ts";
import { collect, collectPairs, type SettingOptions, seconds, userConfig } from "./setting-options.ts";
import { answerWhenRunning } from "./wait-for-service.ts";

interface AttachOptions extends SettingOptions {
  readonly cloud: string;
  readonly uri: string;
  readonly ca?: string;
  readonly plan?: string;
  readonly checkOnly?: boolean;
  readonly wait?: boolean;
  readonly timeout?: number;
}

type ReadFile = (path: string) => Promise<string>;

const defaultTimeoutSeconds = 600;

/** @param service the command `service` */
export function addAttachCommands(service: Command, findAccess: FindAccess, readFile: ReadFile): void {
  const attach = service
    .command("attach <name>")
    .description("back up a database that btar does not run")
    .requiredOption("--cloud <cloud>", "cloud whose store holds the primary backup")
    .requiredOption("--uri <uri>", `${serviceUriForms}; @FILE reads it`)
    .option("--ca <file>", "PEM file of the authority to trust")
    .option("-p, --plan <plan>", "how long backups are kept")
    .option("-c, --config <key=value>", "setting; may be repeated", collectPairs)
    .option("--additional-backup-region <cloud>", "copy backups there; may be repeated", collect)
    .option("--check-only", "only say what is missing; exit code 1 if something is")
    .option("--wait", "wait until its backups run")
    .option("--timeout <seconds>", "for --wait", seconds, defaultTimeoutSeconds)
    .addHelpText(
      "after",
      "\nExamples:\n  btar service attach shop --cloud local-north --uri @shop.uri --check-only\n" +
        "  btar service attach shop --cloud local-north --uri @shop.uri --additional-backup-region local-south\n" +
        "  btar service attach books --cloud local-north --uri 'mysql://btar:SECRET@db.example.com' --ca ca.pem --check-only",
    );
  clientCommand(attach, findAccess, (context, [name = ""]) => attachService(context, name, attach.opts(), readFile));
  const detach = service
    .command("detach <name>")
    .description(
      "end the backups of an attached service, whose server keeps no log for btar any more; its backups stay for a while",
    )
    .addHelpText("after", "\nExample:\n  btar service detach shop");
  clientCommand(detach, findAccess, (context, [name = ""]) => detachService(context, name));
}

async function attachService(
  context: CommandContext,
  name: string,
  options: AttachOptions,
  readFile: ReadFile,
): Promise<void> {
  const { api, output } = context;
  const source = {
    // A file keeps the password out of the list of processes.
    uri: options.uri.startsWith("@") ? (await readFile(options.uri.slice(1))).trim() : options.uri,
    ...(options.ca !== undefined && { ca: await readFile(options.ca) }),
  };
  if (options.checkOnly) {
    const answer = await api.inProject<PreflightAnswer>("POST", "/service/attach/preflight", source);
    output.answer(answer, () => findingsText(answer.findings));
    if (answer.findings.some(({ severity }) => severity === "error")) process.exitCode = exitCodes.failed;
    return;
  }
  const answer = await api.inProject<AttachAnswer>("POST", "/service/attach", {
    service_name: name,
    cloud: options.cloud,
    ...source,
    ...(options.plan !== undefined && { plan: options.plan }),
    user_config: userConfig(options) ?? {},
  });
  for (const { message, fix } of answer.findings) output.note(`warning: ${oneLine(message)}; mend it: ${oneLine(fix)}`);
  if (options.wait) await answerWhenRunning(context, name, options);
  else output.answer(answer, () => `${name} is attached; see its first base backup with: btar status ${name}`);
}

function findingsText(findings: PreflightAnswer["findings"]): string {
  if (findings.length === 0) return "nothing is missing";
  const rows = findings.map(({ severity, check, message, fix }) => [
    paintState(severity),
    check,
    oneLine(message),
    oneLine(fix),
  ]);
  return formatTable(["severity", "check", "what", "mend it with"], rows);
}

/** A managed service of that name must not be deleted by a word that sounds harmless. */
async function detachService({ api, output }: CommandContext, name: string): Promise<void> {
  const path = `/service/${segment(name)}`;
  const { service } = await api.inProject<ServiceAnswer>("GET", path);
  if (service.service_kind !== "attached") {
    throw new BtarError("WRONG_STATE", {
      message: `${name} is run by btar and cannot be detached`,
      hint: `to end it, say \`btar service delete ${name}\``,
    });
  }
  const answer = await api.inProject<{ readonly message: string }>("DELETE", path);
  output.answer(answer, () => `${name} is detached: ${oneLine(answer.message)}`);
}
