import {
  type ConfigurationOption,
  configurationOptions,
  environmentVariables,
} from "../../src/main/configuration/options.ts";

/** Every option and environment variable, as `btar configuration` tells them. */
export function configurationPage(): string {
  const options: readonly (readonly [string, ConfigurationOption])[] = Object.entries(configurationOptions);
  const rows = options.map(([key, { form, text, default: usual, otherwise }]) =>
    row([`\`${key}\``, text, `\`${form}\``, usual === undefined ? (otherwise ?? "") : `\`${usual}\``]),
  );
  return [
    "# Configuration options",
    "What each one is for, with examples, is in the [reference](reference.md#configuration).",
    "## The file",
    ["| option | what | form | default |", "| --- | --- | --- | --- |", ...rows].join("\n"),
    "## The environment",
    [
      "| variable | what |",
      "| --- | --- |",
      ...environmentVariables.map(({ name, text }) => row([`\`${name}\``, text])),
    ].join("\n"),
    "",
  ].join("\n\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
}
