import type { RunningJob } from "../../catalog/job-queue.ts";
import { isBtarError } from "../../domain/errors.ts";
import { removeGarbage } from "../../repository/garbage.ts";
import { ObjectRemoval } from "../../repository/object-removal.ts";
import type { Repository } from "../../repository/repository.ts";
import { StoredManifests } from "../../repository/stored-manifests.ts";
import { type AgentEnvironment, storeOf } from "../environment.ts";

/**
 * Removes what earlier attempts of a base backup have left (P3), so that one that fails again and again does not fill
 * the store. An earlier attempt that still goes on somewhere finds its packs gone before it stores its manifest.
 */
export async function removeLeftovers(env: AgentEnvironment, repository: Repository, job: RunningJob): Promise<void> {
  const { serviceId, signal } = job;
  const complete = await env.catalog.db
    .selectFrom("backup_location")
    .select("backup_id")
    .where("service_id", "=", serviceId)
    .where("cloud", "=", env.cloud)
    .where("state", "=", "complete")
    .execute();
  try {
    await removeGarbage({
      repository,
      manifests: new StoredManifests(repository),
      removal: new ObjectRemoval({ store: storeOf(env, env.cloud), signal }),
      known: new Set(complete.map(({ backup_id }) => backup_id)),
      removed: new Set(),
      minAgeMs: 0,
      now: new Date(),
      signal,
    });
  } catch (error) {
    // An older backup that is damaged does not keep a new one from being taken; collections report it.
    if (!isBtarError(error) || error.kind !== "damaged") throw error;
  }
}
