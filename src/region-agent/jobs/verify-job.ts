import type { RunningJob } from "../../catalog/job-queue.ts";
import { type HealingSource, healObject } from "../../copier/heal-object.ts";
import { isBtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { objectNames } from "../../repository/object-names.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore, storeOf } from "../environment.ts";
import { loadService, repositoryForReading } from "../service-context.ts";
import { isDamage, Verification } from "./verification.ts";

/**
 * Checks what a service has in this cloud's store: that all of it is there, and of a share of it that it reads. What is
 * missing or damaged comes back from another location, if that has it sound; the rest is noted, and is not offered for
 * restores. Run twice, or cut off, it goes on where it was.
 */
export async function runVerifyJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const service = await loadService(env, job.serviceId);
  const location = await env.catalog.db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", job.serviceId)
    .where("cloud", "=", env.cloud)
    .executeTakeFirst();
  if (!location) return { skipped: "the location is gone" };
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const sources = await healingSources(env, job.serviceId);
  const healing = { serviceId: job.serviceId, destination: store, sources, signal: job.signal };
  const opened = await openRepository(env, job, { store, sources });
  if (!opened) return { skipped: "the store holds nothing of it yet" };
  const run = new Verification({ env, job, service, repository: opened.repository, healing });
  for (const { key, from } of opened.healed) await run.tellHealed(key, "it did not open", from);
  return await run.run();
}

/** All other locations of the service, the primary first. They are not waited for. */
async function healingSources(env: AgentEnvironment, serviceId: string): Promise<readonly HealingSource[]> {
  const locations = await env.catalog.db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", serviceId)
    .where("cloud", "!=", env.cloud)
    .orderBy("role")
    .execute();
  return locations.map(({ cloud }) => ({ cloud, store: storeOf(env, cloud) }));
}

interface OpenedRepository {
  readonly repository: Repository;
  readonly healed: readonly { readonly key: string; readonly from: string }[];
}

/** Without its data keys nothing can be opened: those that are damaged or missing come from another location first. */
async function openRepository(
  env: AgentEnvironment,
  job: RunningJob,
  { store, sources }: { readonly store: ObjectStore; readonly sources: readonly HealingSource[] },
): Promise<OpenedRepository | undefined> {
  const { serviceId, signal } = job;
  const open = () => repositoryForReading(env, serviceId, store, signal);
  try {
    return { repository: await open(), healed: [] };
  } catch (error) {
    if (!isBtarError(error, "NO_BACKUP") && !isBtarError(error, "KEY_UNAVAILABLE") && !isDamage(error)) throw error;
    const healed: { key: string; from: string }[] = [];
    for (const source of sources) {
      for (const key of await keysAt(source, serviceId, signal)) {
        const outcome = await healObject({ serviceId, destination: store, sources: [source], signal }, key);
        if (outcome.kind === "healed") healed.push({ key, from: source.cloud });
      }
      if (healed.length > 0) return { repository: await open(), healed };
    }
    if (isBtarError(error, "NO_BACKUP")) return undefined;
    throw error;
  }
}

async function keysAt({ store }: HealingSource, serviceId: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const keys: string[] = [];
    for await (const { key } of store.list(objectNames.keys(serviceId), { signal })) keys.push(key);
    return keys;
  } catch (error) {
    if (isBtarError(error) && error.kind === "unavailable") return [];
    throw error;
  }
}
