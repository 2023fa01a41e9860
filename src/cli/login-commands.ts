import type { Command } from "commander";
import { isBtarError } from "../domain/errors.ts";
import type { LoginAnswer, ProjectsAnswer } from "./api-answers.ts";
import { ApiClient } from "./api-client.ts";
import { clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTime } from "./format.ts";

/** What a login leaves on this machine, for later commands. */
export interface Credentials {
  readonly url: string;
  readonly token: string;
  readonly email: string;
  /** RFC 3339. */
  readonly expiresAt: string;
  /** That later commands are about, unless they say otherwise. */
  readonly project: string;
  /** PEM of the certificate that the API of this machine shows. */
  readonly certificate?: string | undefined;
}

/** What logging in needs of the machine. */
export interface LoginMachine {
  /** From the environment, else typed without being shown. */
  readonly readPassword: (prompt: string) => Promise<string>;
  /** The same, of a variable that is named. */
  readonly askPassword: (prompt: string, variable: string) => Promise<string>;
  readonly saveCredentials: (credentials: Credentials) => Promise<void>;
  /** @returns those that were there */
  readonly removeCredentials: () => Promise<Credentials | undefined>;
}

/** @param program btar itself */
export function addLoginCommands(program: Command, findAccess: FindAccess, machine: LoginMachine): void {
  const login = program
    .command("login <email>")
    .description("log in with a password; later commands are done as this user, for 12 hours")
    .addHelpText("after", "\nExamples:\n  btar login ann@example.com\n  BTAR_PASSWORD=… btar login ann@example.com");
  clientCommand(
    login,
    findAccess,
    async ({ api, output }, [email = ""]) => {
      const password = await machine.readPassword(`Password of ${email}: `);
      const answer = await api.request<LoginAnswer>("POST", "/userauth", { email, password });
      const { token, user_email, expiry_time: expiresAt } = answer;
      const { url, certificate } = api;
      const project = await projectOf(new ApiClient({ url, token, project: api.project, certificate }));
      await machine.saveCredentials({ url, token, email: user_email, expiresAt, project, certificate });
      const { token: _, ...told } = answer;
      output.answer(told, () => `logged in as ${user_email} at ${api.url} until ${formatTime(expiresAt)} UTC`);
    },
    { isLogin: true },
  );
  const logout = program.command("logout").description("end what login has begun");
  clientCommand(
    logout,
    async (options) => {
      const { url, token, certificate } = (await machine.removeCredentials()) ?? {};
      if (url === undefined || token === undefined) return { url: "", token: "", project: "" };
      return { ...(await findAccess({ ...options, url, token })), certificate };
    },
    async ({ api, output }) => {
      if (api.token !== "") await revoke(() => api.request("DELETE", `/access_token/${segment(api.token)}`));
      output.answer({ logged_out: api.token !== "" }, () => (api.token === "" ? "nobody is logged in" : "logged out"));
    },
    { isLogin: true },
  );
}

/** The one that this machine means, or the first one that there is. */
async function projectOf(api: ApiClient): Promise<string> {
  const { projects } = await api.request<ProjectsAnswer>("GET", "/project");
  const names = projects.map(({ project_name }) => project_name);
  return names.includes(api.project) ? api.project : (names[0] ?? api.project);
}

/** A token that does not hold any more need not be taken back. */
async function revoke(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    if (!isBtarError(error, "TOKEN_INVALID", "TOKEN_EXPIRED", "NOT_FOUND")) throw error;
  }
}
