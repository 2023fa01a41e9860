import type { RunningJob } from "../../catalog/job-queue.ts";
import { beginRemoval, endRemoval } from "../../catalog/removal.ts";
import { BtarError } from "../../domain/errors.ts";
import { ObjectRemoval } from "../../repository/object-removal.ts";
import { removeServiceObjects } from "../../repository/remove-service.ts";
import { type AgentEnvironment, patientStore, storeOf } from "../environment.ts";
import type { ServiceContext } from "../service-context.ts";
import { StoreHold } from "../store-hold.ts";
import { removalResult } from "./removal-result.ts";

/** Duties and copies that were told to end do so within this time. */
const longestEndMs = 15_000;

/**
 * Removes all that a service has in this cloud's store (D1, D3). Nothing of it can be restored from the moment that
 * this begins; when the location is enabled again meanwhile, it ends, and what is gone is copied again.
 */
export async function removeLocation(
  env: AgentEnvironment,
  job: RunningJob,
  service: ServiceContext,
): Promise<Record<string, unknown>> {
  const place = { serviceId: job.serviceId, cloud: env.cloud };
  const holder = `${env.agentId} ${job.id}`;
  const use = { ...place, holder, purpose: "remove" as const };
  const hold = await StoreHold.takeWithin(env, use, { patienceMs: longestEndMs, signal: job.signal });
  if (!hold) {
    throw new BtarError("OBJECT_REMOVED", {
      message: `the backups of ${service.row.name} in ${env.cloud} are still in use: a copy, fork or restore has not ended`,
      hint: "it is tried again by itself",
    });
  }
  const signal = AbortSignal.any([job.signal, hold.lost]);
  const removal = new ObjectRemoval({
    store: storeOf(env, env.cloud),
    signal,
    mayGoOn: () => hold.check(),
    onProgress: ({ removedObjects }) =>
      job.progress({ phase: "removing the copies", done: removedObjects, unit: "objects" }),
  });
  try {
    await beginRemoval(env.catalog.db, place);
    const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
    await removeServiceObjects({ store, serviceId: job.serviceId, removal, signal });
    const { refusal } = removal.counts;
    await endRemoval(env.catalog.db, service.row, { cloud: env.cloud, holder, refusal });
    return removalResult(removal.counts);
  } catch (error) {
    if (!hold.lost.aborted || job.signal.aborted) throw error;
    return { ...removalResult(removal.counts), remarks: ["it ended early: the location is wanted again"] };
  } finally {
    await hold.release();
  }
}
