/** JavaScript of what an installed package needs, and the console, into `dist`: Node takes no TypeScript from there. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";

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
