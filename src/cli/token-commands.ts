import { type Command, Option } from "commander";
import { projectRoles } from "../domain/roles.ts";
import type { NewTokenAnswer, TokenAnswer, TokensAnswer } from "./api-answers.ts";
import { clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatMoment, formatTable, formatTime, oneLine } from "./format.ts";
import { count } from "./setting-options.ts";

interface CreateOptions {
  readonly maxAge?: number;
  readonly extendWhenUsed?: boolean;
  readonly role?: string;
  readonly onlyProject?: string;
}

/** @param token the command `token` */
export function addTokenCommands(token: Command, findAccess: FindAccess): void {
  const create = token
    .command("create <description>")
    .description("make a token; it is shown once")
    .option("--max-age <seconds>", "it expires after this time, 600 to 315360000; never by default", count)
    .option("--extend-when-used", "the time until it expires begins anew with each use")
    .addOption(new Option("--role <role>", "it may do no more than this").choices([...projectRoles]))
    .option("--only-project <name>", "it is for this project only");
  clientCommand(create, findAccess, async ({ api, output }, [description = ""]) => {
    const { maxAge = null, extendWhenUsed = false, role = null, onlyProject = null } = create.opts<CreateOptions>();
    const narrowed = { role, project: onlyProject };
    const body = { description, max_age_seconds: maxAge, extend_when_used: extendWhenUsed, ...narrowed };
    const answer = await api.request<NewTokenAnswer>("POST", "/access_token", body);
    output.answer(answer, () => `token, shown once: ${answer.full_token}`);
  });

  clientCommand(token.command("list").description("list your tokens"), findAccess, async ({ api, output }) => {
    const answer = await api.request<TokensAnswer>("GET", "/access_token");
    output.answer(answer, () =>
      formatTable(
        ["prefix", "description", "narrowed to", "expires (UTC)", "last used", "from"],
        answer.tokens.map((each) => [
          each.token_prefix,
          oneLine(each.description) + (each.currently_active ? " (this one)" : ""),
          [each.role, each.project].filter((part) => part !== null).join(" in "),
          each.expiry_time === null ? "never" : formatTime(each.expiry_time),
          each.last_used_time === null ? "never" : formatMoment(each.last_used_time),
          each.last_ip ?? "",
        ]),
      ),
    );
  });

  const update = token
    .command("update <prefix> <description>")
    .description("say anew what a token is for; what it opens stays");
  clientCommand(update, findAccess, async ({ api, output }, [prefix = "", description = ""]) => {
    const answer = await api.request<TokenAnswer>("PUT", `/access_token/${segment(prefix)}`, { description });
    output.answer(answer, () => `${answer.token_prefix}: ${oneLine(answer.description)}`);
  });

  const revokeAll = token.command("revoke-all").description("end all your tokens, the one of this command too");
  clientCommand(revokeAll, findAccess, async ({ api, output }) => {
    const answer = await api.request<{ readonly message: string }>("POST", "/me/expire_tokens");
    output.answer(answer, () => "all your tokens are ended; log in again with btar login");
  });

  const revoke = token.command("revoke <prefix>").description("end a token, named by its prefix or its whole text");
  clientCommand(revoke, findAccess, async ({ api, output }, [prefix = ""]) => {
    const answer = await api.request<{ readonly message: string }>("DELETE", `/access_token/${segment(prefix)}`);
    output.answer(answer, () => oneLine(answer.message));
  });
}
