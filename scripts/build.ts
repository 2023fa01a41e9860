/**
 * What an installed package needs, into `dist`: JavaScript, since Node takes no TypeScript from there, the console, and
 * the manual page.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { manPage } from "../src/main/man-page.ts";
import { buildProgram } from "../src/main/program.ts";
import { btarVersion } from "../src/main/version.ts";

const root = dirname(import.meta.dirname);
rmSync(join(root, "dist"), { recursive: true, force: true });
const steps: readonly (readonly [string, ...string[]])[] = [
  [join(root, "node_modules", ".bin", "tsc"), "-p", "tsconfig.build.json"],
  [process.execPath, join(root, "scripts", "build-console.ts")],
];
for (const [program, ...args] of steps) {
  // npm reads what is said on standard output of a script that `npm pack --json` runs.
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ["inherit", process.stderr, "inherit"] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
mkdirSync(join(root, "dist", "man"), { recursive: true });
writeFileSync(join(root, "dist", "man", "btar.1"), manPage(buildProgram(), btarVersion));
