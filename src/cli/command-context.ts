import type { Command } from "commander";
import { type ApiAccess, ApiClient } from "./api-client.ts";
import { Output } from "./output.ts";

/**
 * Finds the API: environment, what a login has left, or the local data directory's own. Given by `main`, which may read
 * all of them.
 */
export type FindAccess = (options: {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly project: string | undefined;
  /** Name of the profile to use, whatever the environment says. */
  readonly profile?: string | undefined;
  /** It is found without a token, which then is empty. */
  readonly isLogin?: boolean | undefined;
}) => Promise<ApiAccess>;

/** What every client command works with. */
export interface CommandContext {
  readonly api: ApiClient;
  readonly output: Output;
  /** Ends the command as wrongly used. */
  refuse(message: string): never;
}

interface CommonOptions {
  readonly json?: boolean;
  readonly url?: string;
  readonly token?: string;
  readonly project?: string;
  readonly profile?: string;
}

/**
 * Gives a command the options that all client commands have, and its work.
 * @param work is handed the command's arguments, in order; missing ones are empty texts
 */
export function clientCommand(
  command: Command,
  findAccess: FindAccess,
  work: (context: CommandContext, values: readonly string[]) => Promise<void>,
  { isLogin = false }: { readonly isLogin?: boolean } = {},
): Command {
  return command
    .option("--json", "print the API's own object")
    .option("--project <name>", "project (BTAR_PROJECT)")
    .option("--profile <name>", "profile of btar profile (BTAR_PROFILE)")
    .option("--url <url>", "API (BTAR_URL)")
    .option("--token <token>", "token (BTAR_TOKEN); the environment is safer, for others see command lines")
    .action(async () => {
      const { json, url, token, project, profile } = command.opts<CommonOptions>();
      const api = new ApiClient(await findAccess({ url, token, project, profile, isLogin }));
      const output = new Output({ isJson: json ?? false });
      const refuse = (message: string): never => command.error(`error: ${message}`);
      await work({ api, output, refuse }, command.args);
    });
}

/** A part of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}
