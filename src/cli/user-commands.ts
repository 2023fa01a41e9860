import type { Command } from "commander";
import { oneLine, formatMoment, formatTable } from "./format.ts";
import type { NewPersonAnswer, PeopleAnswer, PersonAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import type { LoginMachine } from "./login-commands.ts";

interface CreateOptions {
  readonly name?: string;
  readonly askPassword?: boolean;
  readonly superAdmin?: boolean;
}

/** @param user the command `user` */
export function addUserCommands(
  user: Command,
  findAccess: FindAccess,
  readPassword: LoginMachine["readPassword"],
): void {
  const create = user
    .command("create <email>")
    .description("create a user; a random password is shown once")
    .option("--name <name>", "name for people")
    .option("--super-admin", "let it do everything, in all projects; others are made members: btar member add")
    .option("--ask-password", "take the password from BTAR_PASSWORD, or ask for it");
  clientCommand(create, findAccess, async (context, [email = ""]) => {
    const { name, askPassword, superAdmin } = create.opts<CreateOptions>();
    const password = askPassword ? await readPassword(`Password of ${email}: `) : undefined;
    await createUser(context, { email, name, password, superAdmin });
  });

  clientCommand(user.command("list").description("list users"), findAccess, async ({ api, output }) => {
    const answer = await api.request<PeopleAnswer>("GET", "/btar/user");
    output.answer(answer, () =>
      formatTable(
        ["e-mail", "name", "role", "state", "created"],
        answer.users.map((each) => [
          each.email,
          oneLine(each.real_name),
          each.is_super_admin ? "super admin" : rolesText(each.projects),
          each.has_password ? each.state : `${each.state}, without a password`,
          formatMoment(each.create_time),
        ]),
      ),
    );
  });

  const password = user.command("password <email>").description("give a user another password; earlier logins end");
  clientCommand(password, findAccess, async (context, [email = ""]) => {
    await changeUser(
      context,
      email,
      { password: await readPassword(`New password of ${email}: `) },
      "has another password",
    );
  });
  const disable = user.command("disable <email>").description("let a user log in no more, and end all tokens");
  clientCommand(disable, findAccess, async (context, [email = ""]) => {
    await changeUser(context, email, { state: "disabled" }, "is disabled");
  });
  const enable = user.command("enable <email>").description("let a user log in again");
  clientCommand(enable, findAccess, async (context, [email = ""]) => {
    await changeUser(context, email, { state: "active" }, "can log in");
  });

  const promote = user.command("promote <email>").description("make a user super admin: it may do everything");
  clientCommand(promote, findAccess, async (context, [email = ""]) => {
    await changeUser(context, email, { is_super_admin: true }, "is super admin");
  });
  const demote = user
    .command("demote <email>")
    .description("make a super admin a user that may do what its roles allow");
  clientCommand(demote, findAccess, async (context, [email = ""]) => {
    await changeUser(context, email, { is_super_admin: false }, "is no super admin any more");
  });

  const remove = user.command("delete <email>").description("delete a user, with all tokens");
  clientCommand(remove, findAccess, async ({ api, output }, [email = ""]) => {
    const answer = await api.request<{ readonly message: string }>("DELETE", `/btar/user/${segment(email)}`);
    output.answer(answer, () => oneLine(answer.message));
  });
}

async function createUser(
  { api, output }: CommandContext,
  user: {
    readonly email: string;
    readonly name: string | undefined;
    readonly password: string | undefined;
    readonly superAdmin: boolean | undefined;
  },
): Promise<void> {
  const { email, name, password, superAdmin } = user;
  const answer = await api.request<NewPersonAnswer>("POST", "/btar/user", {
    email,
    ...(name !== undefined && { real_name: name }),
    ...(password !== undefined && { password }),
    ...(superAdmin && { is_super_admin: true }),
  });
  const shown = answer.password === undefined ? "" : `; password, shown once: ${answer.password}`;
  output.answer(answer, () => `user ${answer.user.email} was created${shown}`);
}

async function changeUser({ api, output }: CommandContext, email: string, body: object, what: string): Promise<void> {
  const answer = await api.request<PersonAnswer>("PUT", `/btar/user/${segment(email)}`, body);
  output.answer(answer, () => `user ${answer.user.email} ${what}`);
}

function rolesText(projects: Readonly<Record<string, string>>): string {
  return Object.entries(projects)
    .map(([project, role]) => `${role} of ${project}`)
    .join(", ");
}
