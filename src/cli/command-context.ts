import type { Command } from "commander";
import { type ApiAccess, ApiClient } from "./api-client.ts";
import { Output } from "./output.ts";

/** Finds the API: environment, or the local data directory's own. Given by `main`, which may read both. */
export type FindAccess = (options: {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly project: string | undefined;
}) => Promise<ApiAccess>;

/** What every client command works with. */
export interface CommandContext {
  readonly api: ApiClient;
  readonly output: Output;
}

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
  readonly token?: string;
  readonly project?: string;
}

/** Adds the options that all client commands have. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--json", "print the API's own object")
    .option("--project <name>", "project (BTAR_PROJECT)")
    .option("--url <url>", "API (BTAR_URL)")
    .option("--token <token>", "token (BTAR_TOKEN); the environment is safer, for others see command lines");
}

/** Runs a client command's work with an API client and an output. */
export async function inContext(
  findAccess: FindAccess,
  command: Command,
  work: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const { json, url, token, project } = command.opts<CommonOptions>();
  const api = new ApiClient(await findAccess({ url, token, project }));
  await work({ api, output: new Output({ isJson: json ?? false }) });
}
