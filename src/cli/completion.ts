import type { Argument, Command, Option } from "commander";

/** What the API or this machine is asked the names of. */
export type NameKind = "service" | "project" | "cloud" | "profile";

/** What may stand where a word is being typed. */
export interface Candidates {
  /** Known from the commands themselves. */
  readonly fixed: readonly string[];
  /** Names of these may stand there as well. */
  readonly names: NameKind | undefined;
  /** What is typed of it so far. */
  readonly prefix: string;
}

/** Commands whose first argument is a name that nobody has yet. */
const makers = new Set(["create", "attach", "add"]);

/** @param words after `btar`; the last one is being typed, and may be empty */
export function candidatesFor(program: Command, words: readonly string[]): Candidates {
  const prefix = words.at(-1) ?? "";
  const { command, args, awaiting } = walk(program, words.slice(0, -1));
  if (awaiting) return { fixed: awaiting.argChoices ?? [], names: kindOfOption(awaiting), prefix };
  if (prefix.startsWith("-")) {
    const flags = command.options.filter((option) => !option.hidden).flatMap(({ long }) => long ?? []);
    return { fixed: [...flags, "--help"].sort(), names: undefined, prefix };
  }
  const commands = visibleCommands(command).map((each) => each.name());
  const { registeredArguments } = command;
  const argument = registeredArguments[args.length] ?? registeredArguments.find(({ variadic }) => variadic);
  return {
    fixed: args.length === 0 ? [...commands, ...(argument?.argChoices ?? [])] : (argument?.argChoices ?? []),
    names: argument && kindOfArgument(command, argument),
    prefix,
  };
}

/** Goes by what was typed: which command it is, its arguments so far, and the option that its value is awaited of. */
function walk(program: Command, words: readonly string[]) {
  let command = program;
  const args: string[] = [];
  let awaiting: Option | undefined;
  for (const word of words) {
    if (awaiting) {
      awaiting = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const option = command.options.find(({ long, short }) => word === long || word === short);
      awaiting = option?.required ? option : undefined;
      continue;
    }
    const next: Command | undefined =
      args.length === 0 ? visibleCommands(command).find((each) => each.name() === word) : undefined;
    if (next) command = next;
    else args.push(word);
  }
  return { command, args, awaiting };
}

/** Commands that people are told of. */
export function visibleCommands(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help");
}

/** Every command that does something, by what is typed after `btar`. */
export function runnableCommands(command: Command, words = ""): ReadonlyMap<string, Command> {
  const found = new Map<string, Command>();
  for (const each of visibleCommands(command)) {
    const typed = `${words} ${each.name()}`.trimStart();
    if (each.commands.length === 0 || each.registeredArguments.length > 0) found.set(typed, each);
    for (const [name, below] of runnableCommands(each, typed)) found.set(name, below);
  }
  return found;
}

function kindOfOption({ long, flags }: Option): NameKind | undefined {
  if (long === "--profile") return "profile";
  if (long === "--project" || long === "--only-project") return "project";
  if (/<cloud>/.test(flags)) return "cloud";
  return /<service>/.test(flags) ? "service" : undefined;
}

function kindOfArgument(command: Command, argument: Argument): NameKind | undefined {
  const name = argument.name();
  const parent = command.parent?.name();
  if (makers.has(command.name()) && name === "name") return undefined;
  if (name === "service" || name === "source") return "service";
  if (name !== "name") return undefined;
  if (parent === "service") return "service";
  if (parent === "project") return "project";
  return parent === "profile" ? "profile" : undefined;
}
