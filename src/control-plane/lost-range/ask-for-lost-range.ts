import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { forkSource } from "./fork-source.ts";

/**
 * Has the agent of the source's cloud look what a fork lacks. While that cloud does not answer, the job waits for it.
 * @returns the job's id
 * @throws {BtarError} as `forkSource`, NO_BACKUP when the source's backups are gone
 */
export async function askForLostRange(
  context: ControlPlaneContext,
  row: ServiceRow,
  { directory }: { readonly directory: string | undefined },
): Promise<string> {
  const { origin, source, hasPrimary } = await forkSource(context, row);
  if (!source || !hasPrimary) {
    throw new BtarError("NO_BACKUP", {
      message: `There is no primary backup of ${origin.serviceName}, which ${row.name} was forked from`,
      hint: "what the fork lacks of it cannot be told; of a store that a rebuilt catalog does not know, `btar rebuild` tells",
    });
  }
  return await context.jobs.enqueue({
    kind: "lost-range",
    cloud: source.cloud,
    project: row.project,
    service: row,
    input: { source: source.name, ...(directory === undefined ? {} : { directory }) },
    priority: 10,
  });
}
