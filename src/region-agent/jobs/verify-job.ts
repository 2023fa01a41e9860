import { sql } from "kysely";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { type HealingSource, type HealRequest, healObject, isUnavailable } from "../../copier/heal-object.ts";
import { objectNames } from "../../repository/object-names.ts";
import { isUnsound } from "../../repository/finding.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore, storeOf } from "../environment.ts";
import { loadService, repositoryForReading } from "../service-context.ts";
import { Verification } from "./verification.ts";

/**
 * Checks what a service has in this cloud's store: that all of it is there, and of a share of it that it reads. What is
 * missing or damaged comes back from another location, if that has it sound; the rest is noted, and is not offered for
 * restores. Run twice, or cut off, it goes on where it was.
 */
export async function runVerifyJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const service = await loadService(env, job.serviceId);
  if (!(await isSomethingHere(env, job.serviceId))) return { skipped: "the store holds nothing of it yet" };
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const sources = await healingSources(env, job.serviceId);
  const healing = { serviceId: job.serviceId, destination: store, sources, signal: job.signal };
  const { repository, healed } = await openRepository(env, job, healing);
  const run = new Verification({ env, job, service, repository, healing });
  for (const { key, from } of healed) await run.tellHealed(key, "it was missing, or did not open", from);
  return await run.run();
}

/** Whether the catalog knows of a base backup or log in this cloud's store. */
async function isSomethingHere(env: AgentEnvironment, serviceId: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (select from backup_location
             where service_id = ${serviceId} and cloud = ${env.cloud} and state = 'complete')
        or exists (select from log_range where service_id = ${serviceId} and cloud = ${env.cloud}) as found`.execute(
    env.catalog.db,
  );
  return rows[0]?.found ?? false;
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
  { serviceId, signal }: RunningJob,
  healing: HealRequest,
): Promise<OpenedRepository> {
  const { destination: store, sources } = healing;
  const healed: { key: string; from: string }[] = [];
  const healKeys = async (isWanted: (key: string) => Promise<boolean>) => {
    for (const source of sources) {
      for (const key of await keysAt(source, serviceId, signal)) {
        if (!(await isWanted(key))) continue;
        const outcome = await healObject({ ...healing, sources: [source] }, key);
        if (outcome.kind === "healed") healed.push({ key, from: source.cloud });
      }
    }
  };
  const open = () => repositoryForReading(env, serviceId, store, signal);
  await healKeys(async (key) => !(await store.head(key, { signal })));
  try {
    return { repository: await open(), healed };
  } catch (error) {
    if (!isUnsound(error)) throw error;
    await healKeys(async (key) => !healed.some((each) => each.key === key));
    return { repository: await open(), healed };
  }
}

async function keysAt({ store }: HealingSource, serviceId: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const keys: string[] = [];
    for await (const { key } of store.list(objectNames.keys(serviceId), { signal })) keys.push(key);
    return keys;
  } catch (error) {
    if (isUnavailable(error)) return [];
    throw error;
  }
}
