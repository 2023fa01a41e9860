import { type Command, Option } from "commander";
import { projectRoles } from "../domain/roles.ts";
import type { MembersAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatMoment, formatTable, oneLine } from "./format.ts";

/** @param member the command `member` */
export function addMemberCommands(member: Command, findAccess: FindAccess): void {
  const role = () => new Option("--role <role>", "what it may do there").choices([...projectRoles]);

  clientCommand(member.command("list").description("list who may do what"), findAccess, listMembers);

  const add = member
    .command("add <email>")
    .description("make a user a member of the project")
    .addOption(role().default("developer"));
  clientCommand(add, findAccess, async ({ api, output }, [email = ""]) => {
    const body = { user_email: email, member_type: add.opts<{ role: string }>().role };
    const answer = await api.inProject<{ readonly message: string }>("POST", "/invite", body);
    output.answer(answer, () => oneLine(answer.message));
  });

  const update = member
    .command("update <email>")
    .description("give a member another role")
    .addOption(role().makeOptionMandatory());
  clientCommand(update, findAccess, async ({ api, output }, [email = ""]) => {
    const body = { member_type: update.opts<{ role: string }>().role };
    const answer = await api.inProject<{ readonly message: string }>("PUT", `/user/${segment(email)}`, body);
    output.answer(answer, () => oneLine(answer.message));
  });

  const remove = member.command("remove <email>").description("take a member out of the project; the user stays");
  clientCommand(remove, findAccess, async ({ api, output }, [email = ""]) => {
    const answer = await api.inProject<{ readonly message: string }>("DELETE", `/user/${segment(email)}`);
    output.answer(answer, () => oneLine(answer.message));
  });
}

async function listMembers({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<MembersAnswer>("GET", "/users");
  output.answer(answer, () =>
    formatTable(
      ["e-mail", "name", "role", "since"],
      answer.users.map((each) => [
        each.user_email,
        oneLine(each.real_name),
        each.member_type,
        formatMoment(each.create_time),
      ]),
      "no members: only super admins see this project; add one with: btar member add EMAIL --role ROLE",
    ),
  );
}
