import { pgUserConfigSchema } from "../../contract/pg-user-config.ts";
import type { ConfigSchema } from "../../contract/user-config.ts";
import { BtarError } from "../../domain/errors.ts";
import { findPlan, type Plan } from "../../domain/plan.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";

/** Engines that services can have. */
export const serviceTypeNames = ["pg"] as const;
export type ServiceTypeName = (typeof serviceTypeNames)[number];

export const serviceTypeDescriptions: Readonly<Record<ServiceTypeName, string>> = {
  pg: "PostgreSQL - Object-Relational Database Management System",
};

/** Major versions of PostgreSQL, oldest first, with the end of their life upstream. */
export const pgVersions = [
  { major: "14", availableFrom: "2021-09-30", endOfLife: "2026-11-12" },
  { major: "15", availableFrom: "2022-10-13", endOfLife: "2027-11-11" },
  { major: "16", availableFrom: "2023-09-14", endOfLife: "2028-11-09" },
  { major: "17", availableFrom: "2024-09-26", endOfLife: "2029-11-08" },
  { major: "18", availableFrom: "2025-09-25", endOfLife: "2030-11-14" },
] as const;

const priceUsd = "0.00";

/** Major versions that an agent (of `cloud`) can run; all that btar knows while no agent says. */
export async function runnableVersions(context: ControlPlaneContext, cloud?: string): Promise<readonly string[]> {
  let query = context.catalog.db.selectFrom("agent").select("engines");
  if (cloud !== undefined) query = query.where("cloud", "=", cloud);
  const agents = await query.execute();
  const known: readonly string[] = pgVersions.map(({ major }) => major);
  if (agents.length === 0) return known;
  const runnable = new Set(agents.flatMap(({ engines }) => engines["pg"] ?? []));
  return known.filter((major) => runnable.has(major));
}

/** @throws {BtarError} NOT_FOUND */
export function requireServiceType(type: string): ServiceTypeName {
  const known = serviceTypeNames.find((name) => name === type);
  if (known) return known;
  throw new BtarError("NOT_FOUND", {
    message: `Service type not found: ${type}`,
    hint: `there are: ${serviceTypeNames.join(", ")}`,
  });
}

/** What clients are told of a service type, plans aside. */
export async function serviceTypeFields(context: ControlPlaneContext, type: ServiceTypeName) {
  const versions = await runnableVersions(context);
  const newest = versions.at(-1) ?? null;
  const schema: ConfigSchema = pgUserConfigSchema({
    versions,
    maxRegions: context.configuration.limits.additionalClouds,
  });
  return {
    description: serviceTypeDescriptions[type],
    default_version: newest,
    latest_available_version: newest,
    user_config_schema: { ...schema },
  };
}

/** A plan, with what it gives in each cloud. */
export function planFields(context: ControlPlaneContext, type: ServiceTypeName, plan: Plan) {
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
  const runnable = new Set(await runnableVersions(context));
  return pgVersions.map(({ major, availableFrom, endOfLife }) => ({
    service_type: "pg",
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

function commonFields({ configuration }: ControlPlaneContext, type: ServiceTypeName, plan: Plan) {
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
