import { type Command, Option } from "commander";
import { isBtarError } from "../domain/errors.ts";
import { ApiClient } from "./api-client.ts";
import type { CloudsAnswer, ProjectsAnswer, ServicesAnswer } from "./api-answers.ts";
import type { FindAccess } from "./command-context.ts";
import { candidatesFor, type NameKind } from "./completion.ts";
import { completionScripts, type ShellName, shellNames } from "./completion-scripts.ts";
import type { ProfileMachine } from "./profile-commands.ts";

/** What completing needs of the machine. */
interface CompletionMachine extends Pick<ProfileMachine, "readProfiles"> {
  readonly findAccess: FindAccess;
}

/** Somebody waits at a prompt. */
const patienceMs = 1500;

/** `btar completion SHELL`, and what the scripts that it prints call. @param program btar itself */
export function addCompletionCommands(program: Command, machine: CompletionMachine): void {
  program
    .command("completion")
    .description("print a script that completes commands, options, and names of services, clouds and projects")
    .addArgument(program.createArgument("<shell>", "shell").choices([...shellNames]))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(btar completion bash)\n  btar completion zsh > ~/.zsh/completions/_btar\n" +
        "  btar completion fish > ~/.config/fish/completions/btar.fish",
    )
    .action((shell: ShellName) => void process.stdout.write(completionScripts[shell]));
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .addOption(new Option("--json").hideHelp())
    .action(async (words: readonly string[]) => {
      const { fixed, names, prefix } = candidatesFor(program, words);
      const found = names === undefined ? [] : await namesOf(names, machine);
      const all = [...fixed, ...found].filter((each) => each.startsWith(prefix));
      process.stdout.write(all.map((each) => `${each}\n`).join(""));
    });
}

/** No names where the API cannot be asked: nobody wants to read errors between two words. */
async function namesOf(kind: NameKind, { findAccess, readProfiles }: CompletionMachine): Promise<readonly string[]> {
  if (kind === "profile") return [...(await readProfiles()).profiles.keys()];
  try {
    const access = await findAccess({ url: undefined, token: undefined, project: undefined });
    return await askFor(kind, new ApiClient({ ...access, timeoutMs: patienceMs }));
  } catch (error) {
    if (isBtarError(error)) return [];
    throw error;
  }
}

async function askFor(kind: Exclude<NameKind, "profile">, api: ApiClient): Promise<readonly string[]> {
  if (kind === "project") {
    const { projects } = await api.request<ProjectsAnswer>("GET", "/project");
    return projects.map(({ project_name }) => project_name);
  }
  if (kind === "cloud") {
    const { clouds } = await api.inProject<CloudsAnswer>("GET", "/clouds");
    return clouds.map(({ cloud_name }) => cloud_name);
  }
  const { services } = await api.inProject<ServicesAnswer>("GET", "/service");
  return services.map(({ service_name }) => service_name);
}
