import type { Command, Option } from "commander";
import { runnableCommands } from "../../src/cli/completion.ts";
import { buildProgram } from "../../src/main/program.ts";

/** Told once: all commands that talk to the API have them. */
const commonOptions: ReadonlySet<string | undefined> = new Set([
  "--json",
  "--project",
  "--profile",
  "--url",
  "--token",
]);

/** Every command with its arguments and options, as `--help` tells them. */
export function commandsPage(): string {
  const program = buildProgram();
  const common = program.commands.find((command) => command.name() === "status")?.options ?? [];
  return [
    "# Commands",
    `Every command has \`--help\`. Exit codes are in the [reference](reference.md#exit-codes). Commands that talk to the API also take:`,
    optionLines(common.filter(({ long }) => commonOptions.has(long))),
    ...[...runnableCommands(program)].flatMap(([typed, command]) => section(`btar ${typed}`, command)),
    "",
  ].join("\n\n");
}

function section(typed: string, command: Command): readonly string[] {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "…" : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  const options = command.options.filter((option) => !option.hidden && !commonOptions.has(option.long));
  return [
    `## ${typed}`,
    `\`${[typed, ...words].join(" ")}\``,
    sentence(command.description()),
    ...(options.length > 0 ? [optionLines(options)] : []),
  ];
}

function optionLines(options: readonly Option[]): string {
  return options
    .map(({ flags, description, mandatory }) => `- \`${flags}\`${mandatory ? " (needed)" : ""}: ${description}`)
    .join("\n");
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
