#!/usr/bin/env node
// Finds the Node that btar is made for, and goes on under it. Plain JavaScript that any Node from 16 on can start.
import { spawn } from "node:child_process";
import * as crypto from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const neededMajor = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** JavaScript in an installed package, since Node takes no TypeScript there; TypeScript in a checkout. */
function entry() {
  const isInstalled = root.split(sep).includes("node_modules");
  return isInstalled ? join(root, "dist", "main", "btar.js") : join(root, "src", "main", "btar.ts");
}

/** The Node of an npm package beside this one; undefined when there is none for this platform. */
function pinnedNode() {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  for (const name of [`node-${platform}`, `node-bin-${platform}`]) {
    try {
      const node = join(dirname(require.resolve(`${name}/package.json`)), "bin", "node");
      if (existsSync(node)) return node;
    } catch {
      // Another platform's name, or left out by --omit=optional: the next name, or no pinned Node at all.
    }
  }
  return undefined;
}

/** Runs under `node`, with this process as its shadow: same terminal, same signals, same end. */
function goOnUnder(node) {
  const child = spawn(node, [entry(), ...process.argv.slice(2)], { stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`btar: ${node} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    // Ended by a signal, so this process ends by the same one, for whoever waits for it.
    process.exitCode = 128 + constants.signals[signal];
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

/** Passwords are hashed with argon2id, which Node has from 24.7 on, where it was built with an OpenSSL that has it. */
function hasArgon2() {
  try {
    crypto.argon2Sync("argon2id", {
      message: "",
      nonce: "8 octets",
      parallelism: 1,
      tagLength: 4,
      memory: 8,
      passes: 1,
    });
    return true;
  } catch {
    return false; // no such function, or none behind it: one answer to one question
  }
}

if (Number(process.versions.node.split(".")[0]) >= neededMajor && hasArgon2()) {
  await import(pathToFileURL(entry()).href);
} else {
  const node = pinnedNode();
  if (node) {
    goOnUnder(node);
  } else {
    process.stderr.write(
      `btar: needs Node ${neededMajor}.7 or newer, with argon2id. This is ${process.version}, and btar's own is not installed: ` +
        "run `npm ci` without --omit=optional, or use a newer Node.\n",
    );
    process.exitCode = 1;
  }
}
