import { requestBaseBackup } from "../../catalog/backups.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { describeError } from "../../domain/errors.ts";
import type { AgentEnvironment } from "../environment.ts";
import { claimPort } from "../claim-port.ts";
import { putAccounts } from "../service-accounts.ts";
import {
  addressOf,
  loadService,
  makeServersDirectory,
  reservationName,
  serverDirectory,
  type ServiceContext,
  specOf,
} from "../service-context.ts";

/** Creates a managed service's server, or takes an attached one into care; then asks for its first base backup. */
export async function runProvisionJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const known = await loadService(env, job.serviceId);
  if (known.row.deleted_at) return { skipped: "the service was deleted meanwhile" };
  try {
    const service = await env.locks.run(job.serviceId, async () =>
      known.row.kind === "managed" ? await createServer(env, job, known) : known,
    );
    const address = addressOf(env, service);
    const { source } = env.engines.of(service.row.engine);
    await source.ensureReservation(address, {
      reservation: reservationName(job.serviceId),
      signal: job.signal,
    });
    const identity = await source.identify(address, { signal: job.signal });
    await recordRunning(env, service, identity);
    return { version: identity.version };
  } catch (error) {
    await env.catalog.db
      .updateTable("service")
      .set({ trouble: describeError(error) })
      .where("id", "=", job.serviceId)
      .execute();
    throw error;
  }
}

async function createServer(env: AgentEnvironment, job: RunningJob, known: ServiceContext): Promise<ServiceContext> {
  const directory = serverDirectory(env, job.serviceId);
  const { server } = env.engines.of(known.row.engine);
  const isNew = (await server.status(directory)).state === "absent";
  const service = isNew ? await claimPort(env, known) : known;
  const spec = specOf(env, service);
  if (isNew) {
    job.progress({ phase: "creating the server" });
    await makeServersDirectory(env);
    await server.initialize(directory, spec, { signal: job.signal });
  }
  job.progress({ phase: "starting the server" });
  await server.start(directory, spec, { signal: job.signal });
  await putAccounts(env, service);
  return service;
}

async function recordRunning(
  env: AgentEnvironment,
  { row }: ServiceContext,
  identity: { readonly version: string; readonly majorVersion: string; readonly systemId: string },
): Promise<void> {
  await env.catalog.db.transaction().execute(async (trx) => {
    const updated = await trx
      .updateTable("service")
      .set({
        state: "RUNNING",
        trouble: null,
        agent_id: env.agentId,
        version: identity.majorVersion,
        system_id: identity.systemId,
        applied_generation: row.generation,
        updated_at: new Date(),
      })
      .where("id", "=", row.id)
      .where("state", "=", "REBUILDING")
      .executeTakeFirst();
    if (updated.numUpdatedRows === 0n) return; // an earlier attempt got this far
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: "service_running",
      severity: "info",
      message: `${row.name} runs in ${row.cloud} (${row.engine} ${identity.version})`,
    });
    await requestBaseBackup(trx, env.jobs, row, "first");
  });
}
