import type { Command } from "commander";
import type { DatabasesAnswer, ServiceAnswer, ServiceUserAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { connectCommand } from "./engine-commands.ts";
import { formatPairs, formatTable, oneLine } from "./format.ts";

type ReadFile = (path: string) => Promise<string>;

/** Users and databases inside a service. @param service the command `service` */
export function addServiceAccountCommands(service: Command, findAccess: FindAccess, readFile: ReadFile): void {
  addUserCommands(service.command("user").description("users of the database server"), findAccess, readFile);
  addDatabaseCommands(service.command("database").description("databases of the database server"), findAccess);
  const reset = service
    .command("reset-password <name>")
    .description("give the administrator another password; it is shown");
  clientCommand(reset, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.inProject<ServiceAnswer>("PUT", `/service/${segment(name)}/credentials/reset`);
    output.answer(answer, () => {
      const connect = connectCommand(answer.service);
      return `the administrator of ${name} has another password${connect === undefined ? "" : `. Connect with:\n  ${connect}`}`;
    });
  });
}

function usersOf(service: string): string {
  return `/service/${segment(service)}/user`;
}

/** @param user the command `service user` */
function addUserCommands(user: Command, findAccess: FindAccess, readFile: ReadFile): void {
  const list = user.command("list <service>").description("list users");
  clientCommand(list, findAccess, async ({ api, output }, [service = ""]) => {
    const answer = await api.inProject<ServiceAnswer>("GET", `/service/${segment(service)}`);
    const { users } = answer.service;
    output.answer({ users }, () =>
      formatTable(
        ["user", "type"],
        users.map(({ username, type }) => [username, type]),
      ),
    );
  });
  const get = user.command("get <service> <user>").description("show a user, with the password");
  clientCommand(get, findAccess, async (context, [service = "", name = ""]) => showUser(context, service, name));
  const create = user.command("create <service> <user>").description("create a user; its random password is shown");
  clientCommand(create, findAccess, async ({ api, output }, [service = "", username = ""]) => {
    const answer = await api.inProject<ServiceUserAnswer>("POST", usersOf(service), { username });
    output.answer(answer, () => userText(answer));
  });
  const reset = user
    .command("reset-password <service> <user>")
    .description("give a user another password: a random one, which is shown")
    .option("--password-file <file>", "file that holds the new one");
  clientCommand(reset, findAccess, async (context, [service = "", name = ""]) => {
    const { passwordFile: file } = reset.opts<{ passwordFile?: string }>();
    const chosen = file === undefined ? {} : { new_password: (await readFile(file)).replace(/\r?\n$/, "") };
    const path = `${usersOf(service)}/${segment(name)}`;
    await context.api.inProject<ServiceAnswer>("PUT", path, { operation: "reset-credentials", ...chosen });
    await showUser(context, service, name);
  });
  const remove = user.command("delete <service> <user>").description("delete a user");
  clientCommand(remove, findAccess, async ({ api, output }, [service = "", name = ""]) => {
    const path = `${usersOf(service)}/${segment(name)}`;
    const answer = await api.inProject<{ readonly message: string }>("DELETE", path);
    output.answer(answer, () => `${name}: ${oneLine(answer.message)}`);
  });
}

async function showUser({ api, output }: CommandContext, service: string, name: string): Promise<void> {
  const answer = await api.inProject<ServiceUserAnswer>("GET", `${usersOf(service)}/${segment(name)}`);
  output.answer(answer, () => userText(answer));
}

function userText({ user }: ServiceUserAnswer): string {
  return formatPairs([
    ["user", user.username],
    ["type", user.type],
    ["password", user.password ?? "(not shown to you)"],
  ]);
}

/** @param database the command `service database` */
function addDatabaseCommands(database: Command, findAccess: FindAccess): void {
  const path = (service: string) => `/service/${segment(service)}/db`;
  const list = database.command("list <service>").description("list databases");
  clientCommand(list, findAccess, async ({ api, output }, [service = ""]) => {
    const answer = await api.inProject<DatabasesAnswer>("GET", path(service));
    output.answer(answer, () =>
      formatTable(
        ["database", "order", "characters"],
        answer.databases.map(({ database_name, lc_collate, lc_ctype }) => [database_name, lc_collate, lc_ctype]),
      ),
    );
  });
  const create = database.command("create <service> <database>").description("create a database");
  clientCommand(create, findAccess, async ({ api, output }, [service = "", name = ""]) => {
    const answer = await api.inProject<{ readonly message: string }>("POST", path(service), { database: name });
    output.answer(answer, () => `${name}: ${oneLine(answer.message)}`);
  });
  const remove = database.command("delete <service> <database>").description("delete a database, with what is in it");
  clientCommand(remove, findAccess, async ({ api, output }, [service = "", name = ""]) => {
    const answer = await api.inProject<{ readonly message: string }>("DELETE", `${path(service)}/${segment(name)}`);
    output.answer(answer, () => `${name}: ${oneLine(answer.message)}`);
  });
}
