/** A container file, carried out in a folder: no engine is needed to see that its commands work. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Instruction {
  readonly word: string;
  readonly value: string;
}

/** @returns its instructions, in order; lines that go on are not taken */
export function readContainerfile(file: string): readonly Instruction[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, word = "", value = ""] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
      assert.ok(word !== "" && !value.endsWith("\\"), `not understood: ${line}`);
      return { word, value };
    });
}

/** The last value of an instruction. */
export function valueOf(instructions: readonly Instruction[], word: string): string {
  const found = instructions.findLast((instruction) => instruction.word === word);
  assert.ok(found, `there is no ${word}`);
  return found.value;
}

/** The words of a command in its JSON form. */
export function commandOf(instructions: readonly Instruction[], word: string): readonly string[] {
  const value = valueOf(instructions, word);
  return JSON.parse(value.slice(value.indexOf("["))) as readonly string[];
}

/**
 * Carries COPY and RUN out with `root` for `/`. What an image has beforehand, and each user name, is the folder's own.
 * @param context where COPY takes files from
 */
export function buildInFolder(
  instructions: readonly Instruction[],
  { root, context }: { readonly root: string; readonly context: string },
): void {
  for (const folder of ["etc", "tmp", "usr/local", "var/lib"]) mkdirSync(join(root, folder), { recursive: true });
  for (const file of ["passwd", "group", "shadow", "gshadow"]) writeFileSync(join(root, "etc", file), "");
  for (const { word, value } of instructions) {
    if (word === "COPY") copy(value, { root, context });
    if (word === "RUN") for (const command of value.split(" && ")) run(command, root);
  }
}

function copy(value: string, { root, context }: { readonly root: string; readonly context: string }): void {
  const [pattern = "", target = ""] = value.split(" ");
  const [file, ...others] = globSync(pattern, { cwd: context });
  assert.ok(file !== undefined && others.length === 0, `${pattern} is ${[file, ...others].join(", ")}`);
  mkdirSync(dirname(join(root, target)), { recursive: true });
  copyFileSync(join(context, file), join(root, target));
}

/** Paths are those of the folder; `/usr/sbin/nologin` is only a text. */
function run(command: string, root: string): void {
  const there = command
    .replaceAll(/(?<=^|\s|: ?)\/(?=(?:etc|tmp|var)\/)/g, `${root}/`)
    .replace(/^(groupadd|useradd) /, `$1 --prefix ${root} `);
  const { status, stdout, stderr } = spawnSync("sh", ["-ec", there], {
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, // as in an image
      npm_config_prefix: join(root, "usr", "local"),
      npm_config_cache: join(root, "..", "npm-cache"),
      npm_config_prefer_offline: "true",
    },
  });
  assert.equal(status, 0, `${there}:\n${stdout}${stderr}`);
}
