import type { RunningJob } from "../../catalog/job-queue.ts";
import { type FoundBackup, type FoundLog, type FoundService, recordRebuilt } from "../../catalog/rebuild.ts";
import { engineNames, type EngineName } from "../../domain/engine-name.ts";
import { BtarError, describeError, isBtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { logRuns } from "../../repository/log-cover.ts";
import { type BackupManifest, packBytes } from "../../repository/manifest.ts";
import { serviceFolder } from "../../repository/object-names.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { repositoryForReading } from "../service-context.ts";

/** A service that was taken from the store into the catalog. */
interface Rebuilt {
  readonly serviceId: string;
  readonly project: string;
  readonly name: string;
  readonly backups: number;
}

/**
 * Takes the services that this cloud's store holds, and that the catalog does not know, into the catalog (R3). It needs
 * the store and the master key. What cannot be read is told, and keeps nothing else from being found.
 */
export async function runRebuildJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const ids = (await store.listFolders("", { signal: job.signal })).filter((name) => serviceFolder.test(name));
  const services: Rebuilt[] = [];
  const unreadable: string[] = [];
  for (const [done, id] of ids.entries()) {
    job.progress({ phase: "reading the store", done, total: ids.length, unit: "objects", detail: id });
    try {
      const { found, damaged } = await findService(env, job, { store, id });
      unreadable.push(...damaged);
      const name = await recordRebuilt(env.catalog.db, found, { masterKey: env.masterKey, now: new Date() });
      if (name === undefined) continue;
      services.push({ serviceId: id, project: found.service.project, name, backups: found.backups.length });
    } catch (error) {
      if (!isBtarError(error) || error.isRetryable || job.signal.aborted) throw error;
      unreadable.push(`${id}: ${describeError(error)}`);
    }
  }
  return { found: ids.length, services, unreadable };
}

interface Read {
  readonly found: FoundService;
  /** What could not be read of it. */
  readonly damaged: readonly string[];
}

async function findService(
  env: AgentEnvironment,
  { signal }: RunningJob,
  { store, id }: { readonly store: ObjectStore; readonly id: string },
): Promise<Read> {
  const repository = await repositoryForReading(env, id, store, signal);
  const { description, damaged: ofDescriptions } = await newestDescription(repository, signal);
  const engine = engineNames.find((name) => name === description.engine);
  if (!engine) throw unknownEngine(id, description.engine);
  const { backups, systemId, damaged } = await findBackups(env, repository, { engine, signal });
  const { users, databases, project, name, kind, cloud, plan, version, userConfig, forkedFrom } = description;
  return {
    found: {
      service: {
        ...{ id, project, name, engine, kind, cloud, plan, version, userConfig, users, databases },
        ...{ systemId, forkedFrom },
      },
      cloud: env.cloud,
      backups,
      logs: await findLogs(repository, signal),
    },
    damaged: [...ofDescriptions, ...damaged],
  };
}

/** The newest one that can be read. */
async function newestDescription(repository: Repository, signal: AbortSignal) {
  const versions = await repository.descriptionVersions({ signal });
  const damaged: string[] = [];
  for (const version of versions.toReversed()) {
    try {
      return { description: await repository.description(version, { signal }), damaged };
    } catch (error) {
      if (!isBtarError(error) || error.kind !== "damaged") throw error;
      damaged.push(describeError(error));
    }
  }
  throw new BtarError("NO_BACKUP", {
    message: `no description of service ${repository.serviceId} can be read in ${repository.store.url}`,
    hint: "use another location",
  });
}

async function findBackups(
  env: AgentEnvironment,
  repository: Repository,
  { engine, signal }: { readonly engine: EngineName; readonly signal: AbortSignal },
): Promise<{
  readonly backups: readonly FoundBackup[];
  readonly systemId: string | undefined;
  readonly damaged: readonly string[];
}> {
  const backups: FoundBackup[] = [];
  const damaged: string[] = [];
  let systemId: string | undefined;
  // One after the other: a manifest names every file.
  for (const id of await repository.backupIds({ signal })) {
    try {
      const manifest = await repository.manifest(id, { signal });
      backups.push(foundBackup(env, engine, manifest));
      systemId = manifest.identity.systemId;
    } catch (error) {
      if (!isBtarError(error) || error.kind !== "damaged") throw error;
      damaged.push(describeError(error));
    }
  }
  return { backups, systemId, damaged };
}

function foundBackup(env: AgentEnvironment, engine: EngineName, manifest: BackupManifest): FoundBackup {
  const gtids = env.engines.of(engine).server.gtidBounds(manifest);
  const { backupId, reason, identity, startedAt, consistentAt, completedAt, log, dataBytes, storedBytes } = manifest;
  return {
    ...{ id: backupId, reason, engineVersion: identity.version, startedAt, consistentAt, completedAt, log },
    gtids: gtids && { atLeast: gtids.atLeast.format(), atMost: gtids.atMost.format() },
    ...{ readBy: manifest.readBy, dataBytes, storedBytes, packBytes: packBytes(manifest) },
    fileCount: manifest.files.length,
  };
}

async function findLogs(repository: Repository, signal: AbortSignal): Promise<readonly FoundLog[]> {
  const logs: FoundLog[] = [];
  for (const stream of await repository.logStreams({ signal })) {
    for await (const run of logRuns(repository.logPieces(stream, { signal }))) logs.push({ ...run, stream });
  }
  return logs;
}

function unknownEngine(id: string, engine: string): BtarError {
  return new BtarError("UNSUPPORTED_FORMAT", {
    message: `service ${id} is of engine '${engine}'`,
    hint: `this btar knows ${engineNames.join(" and ")}; use a newer one`,
  });
}
