#!/usr/bin/env node
// Finds the Node that btar is made for, and goes on under it. Plain JavaScript, so that any Node can start it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const neededMajor = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** JavaScript in an installed package, TypeScript in a checkout. */
function entry() {
  const built = join(root, "dist", "main", "btar.js");
  return existsSync(built) ? built : join(root, "src", "main", "btar.ts");
}

function pinnedNode() {
  const require = createRequire(import.meta.url);
  const name = `${process.platform}-${process.arch}`;
  for (const candidate of [`node-${name}`, `node-bin-${name}`]) {
    try {
      return join(dirname(require.resolve(`${candidate}/package.json`)), "bin", "node");
    } catch {
      // Another platform's package, or left out by --omit=optional: the next one, or this Node itself.
    }
  }
  return undefined;
}

const pinned = pinnedNode();
if (Number(process.versions.node.split(".")[0]) >= neededMajor) {
  await import(pathToFileURL(entry()).href);
} else if (pinned) {
  const child = spawn(pinned, [entry(), ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both: the child decides when it ends, and this process with it.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGKILL" ? 9 : 15);
  });
  child.on("error", (error) => {
    process.stderr.write(`btar: ${pinned} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
} else {
  process.stderr.write(
    `btar: needs Node ${neededMajor} or newer; this is ${process.version}, and btar's own is not installed.\n` +
      "Install it with `npm ci` (without --omit=optional), or use a newer Node.\n",
  );
  process.exitCode = 1;
}
