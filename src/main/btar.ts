import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, CommanderError } from "commander";
import { addClientCommands } from "../cli/client-commands.ts";
import { exitCodeHelp, exitCodeOf, exitCodes } from "../cli/exit-codes.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import { isErrno } from "../platform/errno.ts";
import { configurationHelp } from "./configuration/options.ts";
import { removeCredentials, saveCredentials } from "./credentials.ts";
import { btarVersion } from "./drivers.ts";
import { findAccess } from "./find-access.ts";
import { addKeyCommands } from "./key/key-commands.ts";
import type { ConfigurationChoice } from "./load-configuration.ts";
import { readPassword } from "./read-password.ts";

const neededMajor = 24;

/** The one executable: servers and client commands. */
async function main(args: readonly string[]): Promise<void> {
  if (Number(process.versions.node.split(".")[0]) < neededMajor) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `btar needs Node ${neededMajor} or newer, this is ${process.version}`,
      hint: "start it with npx btar, which finds btar's own",
    });
  }
  const program = new Command("btar")
    .description(
      "Backup to another region for PostgreSQL and MySQL: verified copies in a second region, and forks from them",
    )
    .version(btarVersion)
    .showHelpAfterError("(say --help for what there is)")
    .addHelpText("after", exitCodeHelp)
    .exitOverride();
  addServerCommands(program);
  addKeyCommands(program);
  addClientCommands(program, {
    findAccess,
    readFile: (path) => readFile(path, "utf8"),
    resolvePath: (path) => resolve(path),
    readPassword,
    saveCredentials,
    removeCredentials,
  });
  program
    .command("configuration")
    .description("explain the configuration file and the environment variables")
    .addHelpText("after", () => `\n${configurationHelp()}`)
    .action(() => void process.stdout.write(configurationHelp()));
  await program.parseAsync([...args], { from: "user" });
}

interface ServerOptions extends ConfigurationChoice {
  readonly verbose?: boolean;
}

function addServerCommands(program: Command): void {
  const define = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option("--config <file>", "configuration file (BTAR_CONFIG, else ./btar.yaml)")
      .option("--verbose", "more in the logs; `up` shows them on standard error too");
  const defineListening = (name: string, description: string): Command =>
    define(name, description).option(
      "--insecure-listen",
      "let the API listen beyond this machine, though it has no TLS",
    );
  // Loaded when asked for: client commands start at once without them.
  defineListening("up", "run everything on this machine: API, catalog, and an agent per cloud")
    .addHelpText("after", "\nExample:\n  btar up --config btar.yaml")
    .action(async (options: ServerOptions) => {
      const { runUp } = await import("./up.ts");
      await runUp(options);
    });
  defineListening("server", "run the API and the schedules; needs BTAR_DATABASE_URL").action(
    async (options: ServerOptions) => {
      const { runServer } = await import("./server.ts");
      await runServer(options);
    },
  );
  define("agent", "act for one cloud: servers, backups, copies, forks; needs BTAR_DATABASE_URL")
    .requiredOption("--cloud <cloud>", "cloud of the configuration")
    .action(async (options: ServerOptions & { readonly cloud: string }) => {
      const { runAgent } = await import("./agent.ts");
      await runAgent(options);
    });
}

function exitCodeOfFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.wrongUsage;
  if (!(error instanceof BtarError)) return exitCodes.failed;
  return error.details["isInterrupted"] === true ? exitCodes.interrupted : exitCodeOf(error);
}

/** Whoever read the output is gone, as with `| head`: a client command has nothing left to do, a server goes on. */
function outliveReaders(args: readonly string[]): void {
  const isServer = ["up", "server", "agent"].includes(args[0] ?? "");
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!isErrno(error, "EPIPE")) throw error;
      if (!isServer) process.exit(exitCodes.ok);
    });
  }
}

try {
  outliveReaders(process.argv.slice(2));
  await main(process.argv.slice(2));
} catch (error) {
  const text = error instanceof CommanderError ? "" : `btar: ${describeError(error)}\n`;
  // What failed may have left timers or connections behind, which would keep this process.
  process.stderr.write(text, () => process.exit(exitCodeOfFailure(error)));
}
