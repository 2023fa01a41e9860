import { spawn } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { runToEnd } from "./programs.ts";

/**
 * Builds the package, and lays it out below `directory` as an installed one, which is what operators run: JavaScript. From
 * TypeScript, each thread would hold what strips the types besides.
 * @returns the package's folder
 */
export async function installBtar(directory: string, signal: AbortSignal): Promise<string> {
  const checkout = join(import.meta.dirname, "..");
  const build = join(checkout, "scripts", "build.ts");
  await runToEnd(spawn(process.execPath, [build], { stdio: ["ignore", "pipe", "pipe"], signal }), build);
  const root = join(directory, "node_modules", "btar");
  await mkdir(root, { recursive: true });
  for (const name of ["bin", "dist", "package.json"]) {
    await cp(join(checkout, name), join(root, name), { recursive: true });
  }
  // What it depends on, and servers that it finds there.
  for (const name of ["node_modules", ".cache"]) await symlink(join(checkout, name), join(root, name));
  return root;
}
