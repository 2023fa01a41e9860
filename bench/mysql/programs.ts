import { join } from "node:path";
import { runInstaller } from "../programs.ts";

/** MySQL's programs, and those that compress dumps, below folders of their own. */
export interface Programs {
  /** Laid out like one of MySQL's own archives. */
  readonly basedir: string;
  /** A command line that runs zstd. */
  readonly zstd: readonly string[];
}

export async function installPrograms(signal: AbortSignal): Promise<Programs> {
  const servers = join(import.meta.dirname, "..", "..", ".cache", "servers");
  const basedir = await runInstaller("mysql.sh", [], signal);
  await runInstaller("debian-tree.sh", [join(servers, "zstd"), "zstd"], signal);
  const runInTree = join(import.meta.dirname, "..", "..", "scripts", "servers", "run-in-tree.sh");
  return { basedir, zstd: [runInTree, join(servers, "zstd"), "usr/bin/zstd"] };
}
