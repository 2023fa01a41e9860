import type { Command } from "commander";
import type { MeAnswer } from "./api-answers.ts";
import { clientCommand, type FindAccess } from "./command-context.ts";
import { formatPairs, oneLine } from "./format.ts";
import type { LoginMachine } from "./login-commands.ts";

/** What one does with one's own account. @param program btar itself */
export function addOwnAccountCommands(
  program: Command,
  findAccess: FindAccess,
  askPassword: LoginMachine["askPassword"],
): void {
  const whoami = program.command("whoami").description("who you are to the API, and what you may do");
  clientCommand(whoami, findAccess, async ({ api, output }) => {
    const answer = await api.request<MeAnswer>("GET", "/me");
    const { user } = answer;
    const roles = Object.entries(user.project_membership).map(([project, role]) => `${role} in ${project}`);
    output.answer(answer, () =>
      formatPairs([
        ["user", user.user],
        ["name", oneLine(user.real_name)],
        ["may do", user.is_super_admin ? "everything" : roles.join(", ") || "nothing in any project"],
        ["logs in with", user.auth.join(", ") || "tokens only"],
        ["API", api.url],
      ]),
    );
  });
  const password = program
    .command("password")
    .description("change your own password; it asks for the one until now and the next one");
  clientCommand(password, findAccess, async ({ api, output }) => {
    const body = {
      password: await askPassword("Password until now: ", "BTAR_PASSWORD"),
      new_password: await askPassword("New password: ", "BTAR_NEW_PASSWORD"),
    };
    const answer = await api.request<{ readonly message: string }>("PUT", "/me/password", body);
    output.answer(answer, () => answer.message);
  });
}
