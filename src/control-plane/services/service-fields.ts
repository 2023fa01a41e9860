import type { KnownService } from "../../catalog/known-services.ts";
import type { JobProgress } from "../../catalog/work-tables.ts";
import { openServiceSecrets } from "../../catalog/service-secrets.ts";
import { findPlan } from "../../domain/plan.ts";
import { backupFieldsFrom, listedBackups } from "../backups/backup-fields.ts";
import { cloudDescription } from "../catalogue/cloud-fields.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { JobRow } from "../jobs/job-fields.ts";
import { connectionOf } from "./connection.ts";
import { notFound, type ServiceRow } from "./find-service.ts";
import { userFields } from "./user-fields.ts";

const defaultMaxConnections = 100;

/** A service as the API tells it. */
export async function serviceFields(
  context: ControlPlaneContext,
  { id, project, name }: ServiceRow,
): Promise<ServiceFields> {
  const known = (await context.catalog.services.of([id])).get(id);
  if (!known) throw notFound({ project, service: name }); // it was removed since it was looked up
  return fullService(context, known);
}

/** Services as the API tells them. What was worked out of a service's rows is kept as long as they are. */
export class ServiceTeller {
  readonly #context: ControlPlaneContext;
  readonly #told = new WeakMap<KnownService, ServiceFields>();
  readonly #listed = new WeakMap<KnownService, ListedFields>();

  constructor(context: ControlPlaneContext) {
    this.#context = context;
  }

  full(known: KnownService): ServiceFields {
    const told = this.#told.get(known) ?? fullService(this.#context, known);
    // Until when somebody keeps a backup passes without a change.
    if (known.backups.every(({ kept_until }) => kept_until === null)) this.#told.set(known, told);
    return told;
  }

  /** As lists tell it: the same, but less of its backups. */
  listed(known: KnownService): ListedFields {
    const told = this.#listed.get(known) ?? {
      ...oneService(this.#context, known),
      backups: listedBackups(known.service, known),
    };
    this.#listed.set(known, told);
    return told;
  }
}

/** Shared: not to be changed. */
export type ServiceFields = ReturnType<typeof fullService>;
type ListedFields = ReturnType<typeof oneService> & { backups: ReturnType<typeof listedBackups> };

function fullService(context: ControlPlaneContext, known: KnownService) {
  const { retentionDays } = context.configuration.backups;
  const backups = backupFieldsFrom(known.service, known, { states: ["complete"] }, retentionDays);
  return { ...oneService(context, known), backups };
}

function oneService(context: ControlPlaneContext, known: KnownService) {
  const { service: row, users, openJobs } = known;
  const databases = known.databases.map(({ name }) => name);
  const secrets = openServiceSecrets(context.masterKey, row.id, row.sealed_secrets);
  const connection = connectionOf(row, secrets, databases);
  const plan = findPlan(row.plan);
  const type = serviceTypes[row.engine];
  const version: { readonly pg_version?: string; readonly mysql_version?: string } = { [type.versionKey]: row.version };
  const nodeState = nodeStateOf(row, openJobs.at(-1));
  return {
    service_id: row.id,
    service_name: row.name,
    service_type: row.engine,
    service_type_description: type.description,
    service_kind: row.kind,
    state: row.state,
    trouble: row.trouble,
    plan: row.plan,
    cloud_name: row.cloud,
    cloud_description: cloudDescription(context.configuration, row.cloud),
    create_time: row.created_at.toISOString(),
    update_time: row.updated_at.toISOString(),
    group_list: ["default"],
    node_count: plan?.nodeCount ?? 1,
    node_cpu_count: plan?.cpuCount ?? 1,
    node_memory_mb: plan?.memoryMb ?? 0,
    disk_space_mb: row.disk_space_mb,
    termination_protection: row.termination_protection,
    project_vpc_id: null,
    tags: row.tags,
    tech_emails: [...row.tech_emails],
    service_integrations: [],
    service_notifications: [],
    features: {},
    service_uri: connection.uri,
    service_uri_params: connection.params,
    connection_info: type.connectionInfo(connection),
    components: connection.components,
    users: administratorFirst(users).map((user) => userFields(context, row, user)),
    databases,
    connection_pools: [],
    node_states: nodeState ? [nodeState] : [],
    maintenance: { ...row.maintenance, enabled: row.maintenance.dow !== "never", updates: [] },
    metadata: {
      ...version,
      max_connections: maxConnections(row) ?? plan?.maxConnections ?? defaultMaxConnections,
    },
    user_config: {
      ...(row.kind === "managed" ? { ip_filter: ["0.0.0.0/0", "::/0"] } : {}),
      ...row.user_config,
      ...(secrets.askedAdminPassword === undefined ? {} : { admin_password: secrets.askedAdminPassword }),
      ...version,
    },
    forked_from: row.forked_from && definedOf(row.forked_from),
  };
}

function administratorFirst<T extends { readonly is_admin: boolean; readonly name: string }>(users: readonly T[]): T[] {
  return users.toSorted((a, b) => Number(b.is_admin) - Number(a.is_admin) || (a.name < b.name ? -1 : 1));
}

function definedOf({
  sourceCloud,
  stoppedAt,
  lastCommitAt,
  lastGtid,
  ...origin
}: NonNullable<ServiceRow["forked_from"]>) {
  return {
    ...origin,
    ...(sourceCloud === undefined ? {} : { sourceCloud }),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
    ...(lastCommitAt === undefined ? {} : { lastCommitAt }),
    ...(lastGtid === undefined ? {} : { lastGtid }),
  };
}

/** As the service's own settings say; they are below a key that is called as the engine. */
function maxConnections({ user_config, engine }: ServiceRow): number | undefined {
  const settings = user_config[engine];
  if (typeof settings !== "object" || settings === null || !("max_connections" in settings)) return undefined;
  return typeof settings.max_connections === "number" ? settings.max_connections : undefined;
}

/** Of the one server of a service. */
export function nodeName({ name }: Pick<ServiceRow, "name">): string {
  return `${name}-1`;
}

/** The one server of a service, and how far its building is; none while it is powered off. */
export function nodeStateOf(row: Pick<ServiceRow, "name" | "state">, job: JobRow | undefined) {
  if (row.state === "POWEROFF") return undefined;
  const isBuilding = row.state === "REBUILDING";
  return {
    name: nodeName(row),
    role: "master" as const,
    state: !isBuilding ? ("running" as const) : job?.progress ? ("syncing_data" as const) : ("setting_up_vm" as const),
    progress_updates: isBuilding && job?.progress ? [progressUpdate(job.progress)] : [],
  };
}

/** Clients divide by `max - min`: it is never 0. */
function progressUpdate(progress: JobProgress) {
  const isLog = progress.phase.endsWith(" the log");
  const isBytes = progress.unit === "bytes" && !isLog;
  const phase = isLog ? "stream" : isBytes ? "basebackup" : "prepare";
  return {
    phase,
    completed: false,
    min: isBytes ? 0 : null,
    max: isBytes ? Math.max(1, Math.round(progress.total ?? 1)) : null,
    current: isBytes ? Math.round(progress.done ?? 0) : null,
    unit: isBytes ? "bytes_uncompressed" : null,
  } as const;
}
