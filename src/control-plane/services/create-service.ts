import type { Static } from "typebox";
import type { createServiceBody } from "../../contract/services.ts";
import { checkBackupRegions } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import { runnableVersions, type ServiceTypeName } from "../catalogue/service-types.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";
import { chosenCloud, chosenPlan, chosenServiceType } from "./choices.ts";
import type { ServiceRow } from "./find-service.ts";
import { type ChosenBackup, chooseBackup, findForkSource, forkLocation } from "./fork-request.ts";
import { insertManagedService } from "./insert-service.ts";
import { refuseTakenName } from "./service-rows.ts";
import { backupRegionsOf, changedConfig, textOf, type UserConfig } from "./user-config.ts";

export interface NewService {
  readonly project: string;
  /** E-mail of whoever asks. */
  readonly actor: string;
  readonly body: Static<typeof createServiceBody>;
}

/** Where a fork comes from. */
export interface ForkChoice {
  readonly source: ServiceRow;
  readonly chosen: ChosenBackup;
}

/** Settings that a fork does not take over from its source (F5). */
const notInherited = new Set([
  "additional_backup_regions",
  "service_to_fork_from",
  "project_to_fork_from",
  "recovery_target_time",
  "recovery_basebackup_name",
]);

/** Checks the request whole, then writes the service's rows and its job in one transaction. */
export async function createService(context: ControlPlaneContext, request: NewService): Promise<void> {
  const { body } = request;
  const project = await findProject(context, request.project);
  const type = chosenServiceType(body.service_type);
  const cloud = chosenCloud(context, body.cloud ?? project.default_cloud);
  await refuseTakenName(context.catalog.db, project.name, body.service_name);
  const asked = body.user_config ?? {};
  const fork = await forkOf(context, { project: project.name, type, cloud, config: asked });
  const plan = chosenPlan(body.plan ?? fork?.source.plan ?? missingPlan());
  const version = fork ? await forkVersion(context, cloud, fork.source) : undefined;
  const { additionalClouds } = context.configuration.limits;
  const config = changedConfig(fork ? inheritedConfig(fork.source) : {}, asked, {
    versions: await runnableVersions(context, cloud),
    maxRegions: additionalClouds,
    kind: "managed",
  });
  const regions = backupRegionsOf(config);
  const configured = cloudNames(context.configuration);
  checkBackupRegions({ wanted: regions, primary: cloud, configured, maxRegions: additionalClouds });
  const askedVersion = textOf(config, "pg_version");
  if (version !== undefined && askedVersion !== undefined && askedVersion !== version) {
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `Invalid 'user_config' pg_version '${askedVersion}': a fork has its source's version, ${version}`,
    });
  }
  await insertManagedService(context, {
    ...request,
    type,
    plan,
    cloud,
    config,
    regions,
    version: version ?? askedVersion ?? (await newestVersion(context, cloud)),
    fork,
  });
}

async function forkOf(
  context: ControlPlaneContext,
  request: {
    readonly project: string;
    readonly type: ServiceTypeName;
    readonly cloud: string;
    readonly config: UserConfig;
  },
): Promise<ForkChoice | undefined> {
  const { config, cloud, type } = request;
  const service = textOf(config, "service_to_fork_from");
  const time = textOf(config, "recovery_target_time");
  const backup = textOf(config, "recovery_basebackup_name");
  if (service === undefined) {
    if (time === undefined && backup === undefined) return undefined;
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `Invalid 'user_config' ${time === undefined ? "recovery_basebackup_name" : "recovery_target_time"}: it needs service_to_fork_from`,
    });
  }
  const project = textOf(config, "project_to_fork_from") ?? request.project;
  const source = await findForkSource(context, { project, service, engine: type });
  const fromCloud = await forkLocation(context, source, cloud);
  return { source, chosen: await chooseBackup(context, { source, cloud: fromCloud, time, backup }) };
}

function inheritedConfig(source: ServiceRow): UserConfig {
  return Object.fromEntries(Object.entries(source.user_config).filter(([key]) => !notInherited.has(key)));
}

function missingPlan(): never {
  throw new BtarError("INVALID_INPUT", { message: "Invalid input: 'plan' is a required property" });
}

/** A fork has its source's major version, which must be able to run there. */
async function forkVersion(context: ControlPlaneContext, cloud: string, source: ServiceRow): Promise<string> {
  const versions = await runnableVersions(context, cloud);
  if (versions.includes(source.version)) return source.version;
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `${source.name} has PostgreSQL ${source.version}, which cannot run in ${cloud}`,
    hint: `versions that can run there: ${versions.join(", ")}; name others in the configuration with engines.pg`,
  });
}

async function newestVersion(context: ControlPlaneContext, cloud: string): Promise<string> {
  const newest = (await runnableVersions(context, cloud)).at(-1);
  if (newest !== undefined) return newest;
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `no version of PostgreSQL can run in ${cloud}`,
    hint: "name one in the configuration of its agent with engines.pg",
  });
}
