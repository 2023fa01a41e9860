import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { addClientCommands } from "../cli/client-commands.ts";
import { addCompletionCommands } from "../cli/completion-commands.ts";
import { exitCodeHelp } from "../cli/exit-codes.ts";
import { addProfileCommands } from "../cli/profile-commands.ts";
import { suggestMore } from "../cli/suggestions.ts";
import { configurationHelp } from "./configuration/options.ts";
import { removeCredentials, saveCredentials } from "./credentials.ts";
import { addDoctorCommand } from "./doctor/doctor-command.ts";
import { findAccess } from "./find-access.ts";
import { addKeyCommands } from "./key/key-commands.ts";
import type { ConfigurationChoice } from "./load-configuration.ts";
import { readProfiles, writeProfiles } from "./profiles.ts";
import { readPassword } from "./read-password.ts";
import { btarVersion } from "./version.ts";

/** All commands of the one executable: servers, the client, and what works beside both. Help and manual page are made of it. */
export function buildProgram(): Command {
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
  addDoctorCommand(program);
  addClientCommands(program, {
    findAccess,
    readFile: (path) => readFile(path, "utf8"),
    resolvePath: (path) => resolve(path),
    readPassword: (prompt) => readPassword(prompt),
    askPassword: readPassword,
    saveCredentials,
    removeCredentials,
  });
  addProfileCommands(program, { readProfiles, writeProfiles, askPassword: readPassword });
  addCompletionCommands(program, { findAccess, readProfiles });
  program
    .command("configuration")
    .description("explain the configuration file and the environment variables")
    .addHelpText("after", () => `\n${configurationHelp()}`)
    .action(() => void process.stdout.write(configurationHelp()));
  suggestMore(program);
  return program;
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
