import type { Command } from "commander";
import { runnableCommands, visibleCommands } from "./completion.ts";

/** What other tools call the same. */
const otherWords: readonly (readonly [said: readonly string[], meant: readonly string[]])[] = [
  [
    ["show", "describe", "info", "inspect", "view"],
    ["get", "list"],
  ],
  [["ls", "all", "index"], ["list"]],
  [
    ["rm", "remove", "drop", "destroy", "terminate"],
    ["delete", "remove", "revoke", "detach"],
  ],
  [
    ["add", "new", "make", "init"],
    ["create", "add"],
  ],
  [
    ["edit", "set", "change", "modify", "patch"],
    ["update", "set"],
  ],
  [["restart", "start", "stop", "upgrade"], ["update"]],
  [
    ["clone", "branch", "pitr", "recover"],
    ["fork", "restore"],
  ],
  [
    ["health", "check", "diagnose"],
    ["doctor", "status"],
  ],
];

const otherFlags: readonly (readonly [said: readonly string[], meant: readonly string[]])[] = [
  [
    ["--region", "--zone", "--to", "--destination"],
    ["--cloud", "--location"],
  ],
  [
    ["--location", "--cloud"],
    ["--location", "--cloud"],
  ],
  [["--output", "--format", "-o", "-j"], ["--json"]],
  [
    ["--time", "--target-time", "--timestamp", "--until"],
    ["--at", "--until"],
  ],
  [["--force", "--confirm", "--assume-yes"], ["--yes"]],
  [["--engine", "--kind"], ["--type"]],
  [["--size"], ["--plan"]],
  [["--api", "--host", "--server", "--endpoint"], ["--url"]],
  [["--set", "--setting", "--user-config"], ["--config"]],
];

const mostSuggested = 4;

/** Lets every command that is refused say which word was meant, where Commander finds none that is spelled alike. */
export function suggestMore(program: Command): void {
  program.configureOutput({
    outputError: (text, write) => write(withSuggestion(program, text)),
  });
  for (const command of everyCommand(program)) {
    command.configureOutput({ outputError: (text, write) => write(withSuggestion(command, text)) });
  }
}

function everyCommand(command: Command): readonly Command[] {
  return command.commands.flatMap((each) => [each, ...everyCommand(each)]);
}

function withSuggestion(command: Command, text: string): string {
  const found = suggestionFor(command, text);
  return found === undefined ? text : `${text.trimEnd()}\n(${found})\n`;
}

/**
 * @param command that was refused
 * @param text what Commander says: `error: unknown command 'show'`
 * @returns a sentence; undefined where Commander suggests something itself, or nothing comes to mind
 */
export function suggestionFor(command: Command, text: string): string | undefined {
  if (text.includes("Did you mean")) return undefined;
  const [, kind, word = ""] = /unknown (command|option) '([^']*)'/.exec(text) ?? [];
  if (kind === "command") return asked(commandsLike(command, word));
  return kind === "option" ? forOption(command, word) : undefined;
}

function commandsLike(command: Command, word: string): readonly string[] {
  const names = visibleCommands(command).map((each) => each.name());
  const meant = otherWords.find(([said, right]) => said.includes(word) && right.some((each) => names.includes(each)));
  if (meant) return meant[1].filter((each) => names.includes(each));
  // A word that stands elsewhere: `btar list`.
  return [...runnableCommands(command).keys()].filter((typed) => typed.split(" ").at(-1) === word);
}

function forOption(command: Command, flag: string): string | undefined {
  const flags = flagsOf(command);
  const meant = otherFlags.find(([said, right]) => said.includes(flag) && right.some((each) => flags.includes(each)));
  if (meant) return asked(meant[1].filter((each) => flags.includes(each)));
  const below = [...runnableCommands(command)].find(([, each]) => flagsOf(each).includes(flag));
  if (below && command.commands.length > 0) return `options stand behind the command: btar ${below[0]} ${flag}`;
  const word = flag.replace(/^-+/, "");
  return asked(word.length < 3 ? [] : flags.filter((each) => each.includes(word)));
}

function flagsOf(command: Command): readonly string[] {
  return command.options.flatMap(({ long, hidden }) => (long === undefined || hidden ? [] : [long]));
}

function asked(words: readonly string[]): string | undefined {
  if (words.length === 0) return undefined;
  const shown = words.slice(0, mostSuggested);
  return shown.length === 1 ? `Did you mean ${shown[0]}?` : `Did you mean one of ${shown.join(", ")}?`;
}
