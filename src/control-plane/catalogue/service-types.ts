import { type EngineName, engineNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { findPlan, type Plan } from "../../domain/plan.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";
import { mysqlServiceType } from "./mysql-service-type.ts";
import { pgServiceType } from "./pg-service-type.ts";
import type { ServiceType } from "./service-type.ts";

/** What services can be, by the name of their engine. */
export const serviceTypes: Readonly<Record<EngineName, ServiceType>> = { pg: pgServiceType, mysql: mysqlServiceType };

const priceUsd = "0.00";

/** Major versions that an agent (of `cloud`) can run, oldest first; all that btar knows while no agent says. */
export async function runnableVersions(
  context: ControlPlaneContext,
  type: EngineName,
  cloud?: string,
): Promise<readonly string[]> {
  let query = context.catalog.db.selectFrom("agent").select("engines");
  if (cloud !== undefined) query = query.where("cloud", "=", cloud);
  const agents = await query.execute();
  if (agents.length === 0) return serviceTypes[type].versions.map(({ major }) => major);
  const runnable = new Set(agents.flatMap(({ engines }) => engines[type] ?? []));
  return [...runnable].toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** @throws {BtarError} NOT_FOUND */
export function requireServiceType(type: string): EngineName {
  const known = engineNames.find((name) => name === type);
  if (known) return known;
  throw new BtarError("NOT_FOUND", {
    message: `Service type not found: ${type}`,
    hint: `there are: ${engineNames.join(", ")}`,
  });
}

/** What clients are told of a service type, plans aside. */
export async function serviceTypeFields(context: ControlPlaneContext, type: EngineName) {
  const versions = await runnableVersions(context, type);
  const newest = versions.at(-1) ?? null;
  const { description, userConfigSchema } = serviceTypes[type];
  const schema = userConfigSchema({ versions, maxRegions: context.configuration.limits.additionalClouds });
  return {
    description,
    default_version: newest,
    latest_available_version: newest,
    user_config_schema: { ...schema },
  };
}

/** A plan, with what it gives in each cloud. */
export function planFields(context: ControlPlaneContext, type: EngineName, plan: Plan) {
  const size = {
    price_usd: priceUsd,
    node_memory_mb: plan.memoryMb,
    node_cpu_count: plan.cpuCount,
    disk_space_mb: plan.diskMb,
  };
  return {
    ...commonFields(context, type, plan),
    regions: Object.fromEntries(cloudNames(context.configuration).map((cloud) => [cloud, size])),
  };
}

/** @throws {BtarError} NOT_FOUND */
export function planSpecification(context: ControlPlaneContext, typeName: string, planName: string) {
  const type = requireServiceType(typeName);
  const plan = findPlan(planName);
  if (!plan) throw new BtarError("NOT_FOUND", { message: `Plan not found: ${type}:${planName}` });
  return {
    ...commonFields(context, type, plan),
    disk_space_mb: plan.diskMb,
    disk_space_cap_mb: null,
    disk_space_step_mb: null,
    shard_count: null,
  };
}

/** @throws {BtarError} NOT_FOUND */
export function planPrice(
  context: ControlPlaneContext,
  wanted: { readonly type: string; readonly plan: string; readonly cloud: string },
) {
  const { type, plan, cloud } = wanted;
  const { service_type, service_plan } = planSpecification(context, type, plan);
  if (!cloudNames(context.configuration).includes(cloud)) {
    throw new BtarError("NOT_FOUND", {
      message: `Cloud not found: ${cloud}`,
      hint: `there are: ${cloudNames(context.configuration).join(", ")}`,
    });
  }
  return { base_price_usd: priceUsd, cloud_name: cloud, service_plan, service_type };
}

/** All versions, and whether one can run now. */
export async function versionFields(context: ControlPlaneContext) {
  const fields = await Promise.all(engineNames.map((type) => versionFieldsOf(context, type)));
  return fields.flat();
}

async function versionFieldsOf(context: ControlPlaneContext, type: EngineName) {
  const runnable = new Set(await runnableVersions(context, type));
  return serviceTypes[type].versions.map(({ major, availableFrom, endOfLife }) => ({
    service_type: type,
    major_version: major,
    state: runnable.has(major) ? ("available" as const) : ("unavailable" as const),
    aiven_end_of_life_time: `${endOfLife}T00:00:00Z`,
    upstream_end_of_life_time: `${endOfLife}T00:00:00Z`,
    availability_start_time: `${availableFrom}T00:00:00Z`,
    availability_end_time: null,
    termination_time: null,
    end_of_life_help_article_url: null,
    upgrade_to_version: null,
    upgrade_to_service_type: null,
  }));
}

function commonFields({ configuration }: ControlPlaneContext, type: EngineName, plan: Plan) {
  return {
    service_type: type,
    service_plan: plan.name,
    node_count: plan.nodeCount,
    backup_config: {
      interval: configuration.backups.intervalHours,
      max_count: plan.retentionDays,
      recovery_mode: "pitr" as const,
    },
    max_memory_percent: null,
  };
}
