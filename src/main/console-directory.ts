import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { BtarError } from "../domain/errors.ts";

/** In a checkout this runs as TypeScript; in a package it is JavaScript, and the console is built. */
const isCheckout = import.meta.filename.endsWith(".ts");

/**
 * Where the built console is. In a checkout it is built when it is asked for first, or when its sources have changed.
 * @throws {BtarError} COMMAND_FAILED with what the build said
 */
export async function consoleDirectory(say: (text: string) => void): Promise<string> {
  if (!isCheckout) return join(import.meta.dirname, "..", "console");
  const root = join(import.meta.dirname, "..", "..");
  const build = spawn(process.execPath, [join(root, "scripts", "build-console.ts")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  build.stdout.setEncoding("utf8").on("data", (text: string) => say(text.trim()));
  build.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const [code] = (await once(build, "close")) as [number | null];
  if (code === 0) return join(root, "dist", "console");
  throw new BtarError("COMMAND_FAILED", {
    message: `the console cannot be built: ${errors.trim().slice(-1000)}`,
    hint: "run `npm ci`, with development packages, then `node scripts/build-console.ts`",
  });
}
