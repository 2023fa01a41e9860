import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const root = join(import.meta.dirname, "..", "..");

/** A real Chromium, of Debian's packages, without a window. */
export async function startBrowser(): Promise<Browser> {
  const program = execFileSync(join(root, "scripts", "servers", "chromium.sh"), { encoding: "utf8" }).trim();
  // Chromium's sandbox refuses to run as root, as containers do; it loads nothing but our own pages.
  return await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** The built console; built first when its sources have changed. */
export async function builtConsole(): Promise<string> {
  execFileSync(process.execPath, [join(root, "scripts", "build-console.ts")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return join(root, "dist", "console");
}
