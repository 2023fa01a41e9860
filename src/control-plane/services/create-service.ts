import type { Static } from "typebox";
import type { createServiceBody } from "../../contract/services.ts";
import { checkBackupRegions } from "../../domain/cloud.ts";
import { type EngineName, productNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { cloudsNearTo } from "../catalogue/cloud-fields.ts";
import { runnableVersions, serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";
import { cloudStates } from "../status/cloud-states.ts";
import { chosenCloud, chosenPlan, chosenServiceType, refuseNotOffered } from "./choices.ts";
import type { ServiceRow } from "./find-service.ts";
import { type ChosenBackup, chooseBackup, findForkSource, forkLocation, type RoleIn } from "./fork-request.ts";
import { insertManagedService } from "./insert-service.ts";
import { refuseTakenName } from "./service-rows.ts";
import { backupRegionsOf, changedConfig, refuseForkSettings, textOf, type UserConfig } from "./user-config.ts";

export interface NewService {
  readonly project: string;
  /** E-mail of whoever asks. */
  readonly actor: string;
  /** What whoever asks may do in a project. */
  readonly roleIn: RoleIn;
  readonly body: Static<typeof createServiceBody>;
}

/** Where a fork comes from. */
export interface ForkChoice {
  readonly source: ServiceRow;
  readonly chosen: ChosenBackup;
  readonly isSourceDown: boolean;
}

/** Settings that a fork does not take over from its source (F5). */
const notInherited = new Set([
  "additional_backup_regions",
  "service_to_fork_from",
  "project_to_fork_from",
  "recovery_target_time",
  "recovery_target_gtid",
  "recovery_basebackup_name",
]);

/** Checks the request whole, then writes the service's rows and its job in one transaction. */
export async function createService(context: ControlPlaneContext, request: NewService): Promise<void> {
  const { body } = request;
  refuseNotOffered(body);
  const project = await findProject(context, request.project);
  const askedType = body.service_type === undefined ? undefined : chosenServiceType(body.service_type);
  const cloud = chosenCloud(context, body.cloud ?? project.default_cloud);
  await refuseTakenName(context.catalog.db, project.name, body.service_name);
  const asked = body.user_config ?? {};
  const { roleIn } = request;
  const fork = await forkOf(context, { project: project.name, type: askedType, cloud, config: asked, roleIn });
  const type = askedType ?? fork?.source.engine ?? missing("service_type");
  const plan = chosenPlan(type, body.plan ?? fork?.source.plan ?? missing("plan"));
  const versions = await runnableVersions(context, type, cloud);
  const usual = fork ? forkVersion(fork.source, { cloud, versions }) : (versions.at(-1) ?? noPrograms(type, cloud));
  if (fork) refuseForkSettings(type, fork.source.user_config, asked);
  const { additionalClouds } = context.configuration.limits;
  const config = changedConfig(fork ? inheritedConfig(fork.source) : {}, asked, {
    engine: type,
    versions,
    maxRegions: additionalClouds,
    kind: "managed",
  });
  const regions = backupRegionsOf(config);
  const configured = cloudsNearTo(context.configuration, cloud);
  checkBackupRegions({ wanted: regions, primary: cloud, configured, maxRegions: additionalClouds });
  const version = textOf(config, serviceTypes[type].versionKey) ?? usual;
  if (fork && version !== fork.source.version) throw otherVersion(fork.source, version);
  await insertManagedService(context, { ...request, type, plan, cloud, config, regions, version, fork });
}

/** Settings that say what a fork is to hold. */
const targetKeys = ["recovery_target_time", "recovery_target_gtid", "recovery_basebackup_name"] as const;

async function forkOf(
  context: ControlPlaneContext,
  request: {
    readonly project: string;
    /** As the request says it; a fork has its source's. */
    readonly type: EngineName | undefined;
    readonly cloud: string;
    readonly config: UserConfig;
    readonly roleIn: RoleIn;
  },
): Promise<ForkChoice | undefined> {
  const { config, cloud, type, roleIn } = request;
  const service = textOf(config, "service_to_fork_from");
  const time = textOf(config, "recovery_target_time");
  const gtid = textOf(config, "recovery_target_gtid");
  const backup = textOf(config, "recovery_basebackup_name");
  if (service === undefined) {
    const given = targetKeys.find((key) => textOf(config, key) !== undefined);
    if (given === undefined) return undefined;
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `Invalid 'user_config' ${given}: it needs service_to_fork_from`,
    });
  }
  const project = textOf(config, "project_to_fork_from") ?? request.project;
  const source = await findForkSource(context, { project, service, engine: type, roleIn });
  const fromCloud = await forkLocation(context, source, cloud);
  const isSourceDown = (await cloudStates(context)).some(
    ({ cloud_name, is_up }) => cloud_name === source.cloud && !is_up,
  );
  const chosen = await chooseBackup(context, { source, cloud: fromCloud, time, gtid, backup });
  return { source, chosen, isSourceDown };
}

function inheritedConfig(source: ServiceRow): UserConfig {
  return Object.fromEntries(Object.entries(source.user_config).filter(([key]) => !notInherited.has(key)));
}

function missing(field: string): never {
  throw new BtarError("INVALID_INPUT", { message: `Invalid input: '${field}' is a required property` });
}

/**
 * A fork has its source's major version, which must be able to run there.
 * @throws {BtarError} SERVER_BINARIES_MISSING
 */
export function forkVersion(
  { engine, name, version }: ServiceRow,
  there: { readonly cloud: string; readonly versions: readonly string[] },
): string {
  if (there.versions.includes(version)) return version;
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `${name} has ${productNames[engine]} ${version}, which cannot run in ${there.cloud}`,
    hint: `versions that can run there: ${there.versions.join(", ") || "none"}; for others, ${serviceTypes[engine].programsHint}`,
  });
}

function otherVersion({ engine, version }: ServiceRow, asked: string): BtarError {
  return new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${serviceTypes[engine].versionKey} '${asked}': a fork has its source's version, ${version}`,
  });
}

function noPrograms(type: EngineName, cloud: string): never {
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `no version of ${productNames[type]} can run in ${cloud}`,
    hint: serviceTypes[type].programsHint,
  });
}
