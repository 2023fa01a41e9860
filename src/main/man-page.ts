import type { Argument, Command, Option } from "commander";
import { runnableCommands } from "../cli/completion.ts";
import { exitCodeHelp } from "../cli/exit-codes.ts";
import { environmentVariables } from "./configuration/options.ts";

/**
 * The manual page btar(1), of the definitions of the commands.
 * @returns source for groff's man macros
 * @see https://man7.org/linux/man-pages/man7/groff_man.7.html
 */
export function manPage(program: Command, version: string): string {
  return [
    `.TH BTAR 1 "" "btar ${text(version)}" "btar"`,
    ".ad l",
    ".nh",
    ".SH NAME",
    "btar \\- backup to another region for PostgreSQL and MySQL",
    ".SH SYNOPSIS",
    ".B btar",
    ".I command",
    "[\\fIargument\\fR ...] [\\fIoption\\fR ...]",
    ".SH DESCRIPTION",
    text(program.description()),
    ".SH COMMON OPTIONS",
    "Commands that talk to the API also take:",
    ...(program.commands.find((each) => each.name() === "status")?.options ?? []).flatMap(optionLines),
    ".SH COMMANDS",
    ...[...runnableCommands(program)].flatMap(([typed, command]) => commandSection(typed, command)),
    ".SH EXIT STATUS",
    text(exitCodeHelp.trim().replace(/\s+/g, " ")),
    ".SH ENVIRONMENT",
    ...environmentVariables.flatMap((variable) => [".TP", `.B ${text(variable.name)}`, text(variable.text)]),
    ".SH FILES",
    ...[
      ["./btar.yaml", "configuration; `btar configuration` explains it"],
      ["DATA_DIR/keys/master.key", "the master key: keep a copy elsewhere, see `btar key export`"],
      ["~/.config/btar/", "what `btar login` and `btar profile` keep"],
    ].flatMap(([file = "", what = ""]) => [".TP", `.I ${text(file)}`, text(what)]),
    "",
  ].join("\n");
}

function commandSection(typed: string, command: Command): readonly string[] {
  const isClient = command.options.some(({ long }) => long === "--profile");
  const isShown = (option: Option) => !option.hidden && !(isClient && commonOptions.has(option.long ?? ""));
  const usage = command.registeredArguments.map(argumentText).join(" ");
  return [
    `.SS ${text(`btar ${typed} ${usage}`.trim())}`,
    text(command.description()),
    ...command.options.filter(isShown).flatMap(optionLines),
  ];
}

/** Told once, not for each command. */
const commonOptions = new Set(["--json", "--project", "--profile", "--url", "--token"]);

function optionLines(option: Option): readonly string[] {
  return [".TP", `.B ${text(option.flags)}`, text(optionText(option))];
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionText({ description, argChoices, defaultValue }: Option): string {
  const choices = argChoices ? ` (one of ${argChoices.join(", ")})` : "";
  const usual: unknown = defaultValue;
  const isShown = typeof usual === "string" || typeof usual === "number";
  return `${description}${choices}${isShown ? `; ${usual} by default` : ""}`;
}

/** As groff prints it unchanged: no line may begin with a control character; long addresses may be broken. */
function text(plain: string): string {
  const escaped = plain.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ").replaceAll("?", "?\\:");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
