import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, CommanderError } from "commander";
import type { ApiAccess } from "../cli/api-client.ts";
import { addBackupCommands } from "../cli/backup-commands.ts";
import type { FindAccess } from "../cli/command-context.ts";
import { exitCodeHelp, exitCodeOf, exitCodes } from "../cli/exit-codes.ts";
import { addOverviewCommands } from "../cli/overview-commands.ts";
import { addServiceCommands } from "../cli/service-commands.ts";
import { BtarError } from "../domain/errors.ts";
import { environmentTexts, optionTexts } from "./configuration/options.ts";
import { btarVersion, dataFiles, loadConfiguration, readSmallFile, sayError } from "./start-up.ts";

const neededMajor = 24;

/** The one executable: servers and client commands. */
async function main(args: readonly string[]): Promise<void> {
  if (Number(process.versions.node.split(".")[0]) < neededMajor) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `btar needs Node ${neededMajor} or newer, this is ${process.version}`,
      hint: "start it through bin/btar.js or npx btar, which find btar's own",
    });
  }
  const program = new Command("btar")
    .description("Backup to another region for PostgreSQL: verified copies in a second region, and forks from them")
    .version(btarVersion)
    .showSuggestionAfterError()
    .showHelpAfterError("(say --help for what there is)")
    .addHelpText("after", exitCodeHelp)
    .exitOverride();
  addServerCommands(program);
  addServiceCommands(program, findAccess, (path) => readFile(path, "utf8"));
  addBackupCommands(program, findAccess, (path) => resolve(path));
  addOverviewCommands(program, findAccess);
  program
    .command("configuration")
    .description("explain the configuration file and the environment variables")
    .action(() => void process.stdout.write(configurationHelp()));
  await program.parseAsync([...args], { from: "user" });
}

function addServerCommands(program: Command): void {
  const config = ["--config <file>", "configuration file (BTAR_CONFIG, else ./btar.yaml)"] as const;
  program
    .command("up")
    .description("run everything on this machine: API, catalog, and an agent per cloud")
    .option(...config)
    .action(async ({ config: file }: { readonly config?: string }) => {
      const { runUp } = await import("./up.ts");
      await runUp({ config: file });
    });
  program
    .command("server")
    .description("run the API and the schedules; needs BTAR_DATABASE_URL")
    .option(...config)
    .action(async ({ config: file }: { readonly config?: string }) => {
      const { runServer } = await import("./server.ts");
      await runServer({ config: file });
    });
  program
    .command("agent")
    .description("act for one cloud: servers, backups, copies, forks; needs BTAR_DATABASE_URL")
    .requiredOption("--cloud <cloud>", "cloud of the configuration")
    .option(...config)
    .action(async ({ config: file, cloud }: { readonly config?: string; readonly cloud: string }) => {
      const { runAgent } = await import("./agent.ts");
      await runAgent({ config: file, cloud });
    });
}

/** Options, then environment, then what `btar up` on this machine has written into its data directory. */
const findAccess: FindAccess = async (options): Promise<ApiAccess> => {
  const url = options.url ?? process.env["BTAR_URL"];
  const token = options.token ?? process.env["BTAR_TOKEN"];
  const project = options.project ?? process.env["BTAR_PROJECT"];
  if (url !== undefined && token !== undefined) return { url, token, project: project ?? "demo" };
  const { configuration } = await loadConfiguration(undefined);
  const files = dataFiles(configuration.dataDirectory);
  const found = {
    url: url ?? (await readSmallFile(files.url)),
    token: token ?? (await readSmallFile(files.adminToken)),
    project: project ?? configuration.project,
  };
  if (found.url !== undefined && found.token !== undefined) return { ...found, url: found.url, token: found.token };
  throw new BtarError("SERVER_UNREACHABLE", {
    message: `there is no running btar known: nothing in ${join(configuration.dataDirectory)}`,
    hint: "start one with `btar up`, or set BTAR_URL and BTAR_TOKEN",
  });
};

function configurationHelp(): string {
  const width = Math.max(...optionTexts.map(({ key }) => key.length));
  const options = optionTexts.map(
    (option) =>
      `  ${option.key.padEnd(width)}  ${option.text}\n  ${"".padEnd(width)}  ${option.form}${option.default ? `; default: ${option.default}` : ""}`,
  );
  const variables = environmentTexts.map(({ name, text }) => `  ${name.padEnd(width)}  ${text}`);
  return `btar.yaml\n${options.join("\n")}\n\nEnvironment\n${variables.join("\n")}\n`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.wrongUsage;
  } else {
    sayError(error);
    const isInterrupted = error instanceof BtarError && error.details["isInterrupted"] === true;
    process.exitCode = isInterrupted
      ? exitCodes.interrupted
      : error instanceof BtarError
        ? exitCodeOf(error)
        : exitCodes.failed;
  }
}
