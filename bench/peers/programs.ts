import { join } from "node:path";
import { runInstaller } from "../programs.ts";

/** The programs that btar is measured against, below one folder. */
export interface Programs {
  /** `bin` of PostgreSQL 18. */
  readonly postgres: string;
  readonly pgbackrest: string;
}

export async function installPrograms(signal: AbortSignal): Promise<Programs> {
  const folder = await runInstaller("peers.sh", [], signal);
  return { postgres: join(folder, "usr/lib/postgresql/18/bin"), pgbackrest: join(folder, "usr/bin/pgbackrest") };
}
