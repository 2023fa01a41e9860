import { type LocationRecovery, recoveryByLocation } from "../../catalog/recovery.ts";
import { damagedObjects } from "../../catalog/verification.ts";
import type { EngineName } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { formatMicros, microsToDate, parseTargetTime } from "../../domain/recovery-target-time.ts";
import { backupForTime, type RecoveryWindow } from "../../domain/recovery-window.ts";
import { isAtLeast, type ProjectRole } from "../../domain/roles.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceName, ServiceRow } from "./find-service.ts";
import { chooseForGtid, targetGtid } from "./gtid-request.ts";
import { reachText } from "./reach-text.ts";

/** What a fork or restore starts from. */
export interface ChosenBackup {
  readonly fromCloud: string;
  readonly backupId: string;
  readonly target:
    | { readonly kind: "latest" }
    | { readonly kind: "backup-end" }
    | { readonly kind: "time"; readonly at: string }
    | { readonly kind: "gtid"; readonly gtid: string };
}

/** The role of whoever asks in a project; undefined where there is none. */
export type RoleIn = (project: string) => ProjectRole | undefined;

/** A fork holds all data of its source: who may not read them there must not have one. */
const leastRoleToFork: ProjectRole = "developer";

/**
 * The service to fork from: the living one of that name, else one that was deleted and still has backups.
 * @param name.engine that the fork is to have; undefined: the source's
 * @throws {BtarError} INVALID_USER_CONFIG, not worded as what clients of the API repeat; ROLE_TOO_LOW in another project
 */
export async function findForkSource(
  context: ControlPlaneContext,
  name: ServiceName & { readonly engine: EngineName | undefined; readonly roleIn: RoleIn },
): Promise<ServiceRow> {
  const { project, service, engine } = name;
  const role = name.roleIn(project);
  const refuse = (key: string, value: string, what: string) =>
    new BtarError("INVALID_USER_CONFIG", { message: `Invalid 'user_config' ${key} '${value}': ${what}` });
  const { db } = context.catalog;
  const known = await db.selectFrom("project").select("name").where("name", "=", project).executeTakeFirst();
  if (!known || role === undefined) throw refuse("project_to_fork_from", project, "there is no such project");
  if (!isAtLeast(role, leastRoleToFork)) {
    throw new BtarError("ROLE_TOO_LOW", {
      message: `forking from project ${project} needs the role ${leastRoleToFork} there; you have ${role}`,
      hint: "an admin of the project can give it",
    });
  }
  const candidates = await db
    .selectFrom("service")
    .selectAll()
    .where("project", "=", project)
    .where("name", "=", service)
    .orderBy("deleted_at", (order) => order.desc().nullsFirst())
    .execute();
  const backedUp = await db
    .selectFrom("backup_location")
    .select("service_id")
    .where("service_id", "in", [...candidates.map(({ id }) => id), noService])
    .where("state", "=", "complete")
    .execute();
  const source =
    candidates.find((row) => row.deleted_at === null) ??
    candidates.find((row) => backedUp.some(({ service_id }) => service_id === row.id)) ??
    candidates[0];
  if (!source) throw refuse("service_to_fork_from", service, `there is no such service in project ${project}`);
  if (engine !== undefined && source.engine !== engine) {
    throw refuse("service_to_fork_from", service, `it is a ${source.engine} service, which cannot become ${engine}`);
  }
  return source;
}

/** SQL knows no empty lists. */
const noService = "00000000-0000-0000-0000-000000000000";

/**
 * Where a fork in `cloud` is restored from (F1): the source's own cloud from its primary backup, an additional cloud
 * from the copy there, no other.
 * @throws {BtarError} INVALID_INPUT naming the clouds that would do
 */
export async function forkLocation(context: ControlPlaneContext, source: ServiceRow, cloud: string): Promise<string> {
  const locations = await recoveryByLocation(context.catalog.db, source.id);
  if (locations.some((location) => location.cloud === cloud)) return cloud;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid cloud '${cloud}': the backup of ${source.name} is not there`,
    hint: `clouds that would do: ${locations.map((location) => location.cloud).join(", ")}`,
  });
}

/**
 * Chooses the base backup for a target (F3).
 * @throws {BtarError} NO_BACKUP, RECOVERY_TARGET_UNREACHABLE with the window, INVALID_TIME, INVALID_GTID, INVALID_INPUT
 */
export async function chooseBackup(
  context: ControlPlaneContext,
  request: {
    readonly source: ServiceRow;
    readonly cloud: string;
    readonly time: string | undefined;
    /** Stands alone. */
    readonly gtid: string | undefined;
    readonly backup: string | undefined;
  },
): Promise<ChosenBackup> {
  const { source, cloud, time, gtid, backup } = request;
  const wanted = gtid === undefined ? undefined : targetGtid(source, { gtid, time, backup });
  const atMicros = time === undefined ? undefined : parseTargetTime(time);
  const locations = await recoveryByLocation(context.catalog.db, source.id);
  const location = locations.find((at) => at.cloud === cloud);
  const newest = location?.reach[0];
  if (!location || !newest) throw await noBackup(context, { source, cloud, locations });
  if (wanted) return await chooseForGtid(context, { source, cloud, gtid: wanted, reach: location.reach });
  const target = atMicros === undefined ? undefined : { kind: "time" as const, at: formatMicros(atMicros) };
  if (backup !== undefined) {
    const chosen = location.reach.find((window) => window.backupId === backup);
    if (!chosen) throw unknownBackup(source, cloud, { backup, reach: location.reach });
    if (atMicros !== undefined && !backupForTime([chosen], microsToDate(atMicros)))
      throw outside(source, cloud, { time, windows: [chosen] });
    return { fromCloud: cloud, backupId: backup, target: target ?? { kind: "backup-end" } };
  }
  if (!target || atMicros === undefined)
    return { fromCloud: cloud, backupId: newest.backupId, target: { kind: "latest" } };
  const chosen = backupForTime(location.reach, microsToDate(atMicros));
  if (!chosen) throw outside(source, cloud, { time, windows: location.reach });
  return { fromCloud: cloud, backupId: chosen.backupId, target };
}

async function noBackup(
  context: ControlPlaneContext,
  request: {
    readonly source: ServiceRow;
    readonly cloud: string;
    readonly locations: readonly LocationRecovery[];
  },
): Promise<BtarError> {
  const { source, cloud, locations } = request;
  const damaged = (await damagedObjects(context.catalog.db, { serviceId: source.id, cloud })).filter(
    ({ kind }) => kind !== "stray",
  );
  const [first] = damaged;
  if (!first) {
    return new BtarError("NO_BACKUP", {
      message: `No valid backups for service ${source.name} in ${cloud}`,
      hint: "wait until a base backup is complete there; `btar backup list` shows them",
    });
  }
  const others = locations.filter(({ reach }) => reach.length > 0).map((location) => location.cloud);
  const elsewhere = others.length > 0 ? `use ${others.join(" or ")}, or ` : "";
  return new BtarError("NO_BACKUP", {
    message: `No valid backups for service ${source.name} in ${cloud}: ${damaged.length} stored objects are damaged, such as ${first.key} (${first.what})`,
    hint: `${elsewhere}run \`btar verify ${source.name} --location ${cloud}\` once another location is there to heal from`,
  });
}

function unknownBackup(
  source: ServiceRow,
  cloud: string,
  detail: { readonly backup: string; readonly reach: readonly RecoveryWindow[] },
): BtarError {
  return new BtarError("INVALID_INPUT", {
    message: `${source.name} has no complete base backup ${detail.backup} in ${cloud}`,
    hint: `there are: ${detail.reach.map((window) => window.backupId).join(", ")}`,
  });
}

function outside(
  source: ServiceRow,
  cloud: string,
  detail: { readonly time: string | undefined; readonly windows: readonly RecoveryWindow[] },
): BtarError {
  return new BtarError("RECOVERY_TARGET_UNREACHABLE", {
    message: `${source.name} cannot be recovered to ${detail.time} from ${cloud}`,
    hint: `choose a time from ${reachText(detail.windows)}`,
  });
}
