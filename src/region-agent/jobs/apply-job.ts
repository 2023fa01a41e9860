import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { AgentEnvironment } from "../environment.ts";
import { putAccounts } from "../service-accounts.ts";
import { addressOf, loadService, serverDirectory, type ServiceContext, specOf } from "../service-context.ts";
import { stopWithLastLog } from "./stop-with-last-log.ts";

/** Makes a managed service be what the catalog says: powered or not, its settings, users and databases. */
export async function runApplyJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  return await env.locks.run(job.serviceId, async () => {
    const service = await loadService(env, job.serviceId);
    const { row } = service;
    if (row.deleted_at || row.kind === "attached") return { nothingToDo: true };
    requireOwnHost(env, service);
    try {
      if (row.is_powered) await applyRunning(env, job, service);
      else await powerOff(env, job, service);
      return { generation: row.generation };
    } catch (error) {
      await env.catalog.db
        .updateTable("service")
        .set({ trouble: describeError(error) })
        .where("id", "=", row.id)
        .execute();
      throw error;
    }
  });
}

async function applyRunning(env: AgentEnvironment, job: RunningJob, service: ServiceContext): Promise<void> {
  const { row } = service;
  const directory = serverDirectory(env, row.id);
  const spec = specOf(env, service);
  job.progress({ phase: "applying settings" });
  const { server } = env.engines.of(row.engine);
  const { needsRestart } = await server.configure(directory, spec);
  if (needsRestart) {
    job.progress({ phase: "restarting the server" });
    await server.stop(directory);
  }
  await server.start(directory, spec, { signal: job.signal });
  const address = addressOf(env, service);
  for (const name of names(job, "dropDatabases")) await server.dropDatabase(address, name);
  for (const name of names(job, "dropUsers")) await server.dropUser(address, name);
  await putAccounts(env, service);
  await settle(env, service, "RUNNING");
}

async function powerOff(env: AgentEnvironment, job: RunningJob, service: ServiceContext): Promise<void> {
  job.progress({ phase: "stopping the server" });
  await stopWithLastLog(env, job, service);
  await settle(env, service, "POWEROFF");
}

/** Unless it was changed again meanwhile: then the next job settles it. */
async function settle(env: AgentEnvironment, { row }: ServiceContext, state: "RUNNING" | "POWEROFF"): Promise<void> {
  await env.catalog.db
    .updateTable("service")
    .set({ state, trouble: null, applied_generation: row.generation, updated_at: new Date() })
    .where("id", "=", row.id)
    .where("generation", "=", row.generation)
    .execute();
}

function requireOwnHost(env: AgentEnvironment, { row }: ServiceContext): void {
  if (row.agent_id === null || row.agent_id === env.agentId) return;
  throw new BtarError("SERVER_UNREACHABLE", {
    message: `the server of ${row.name} is on the host of agent ${row.agent_id}, this is ${env.agentId}`,
    hint: "it is done as soon as that agent takes the job",
  });
}

function names(job: RunningJob, key: "dropUsers" | "dropDatabases"): readonly string[] {
  const value = job.input[key];
  return Array.isArray(value) ? value.filter((name): name is string => typeof name === "string") : [];
}
