import type { EngineName } from "../domain/engine-name.ts";
import { findPlan } from "../domain/plan.ts";
import type { CatalogDatabase } from "./catalog.ts";
import { recordEvent } from "./events.ts";
import { insertProject } from "./insert-project.ts";
import { recordLog } from "./log-ranges.ts";
import { sealServiceSecrets, sealUserPassword } from "./service-secrets.ts";

/** A service as its store describes it. */
export interface DescribedService {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly engine: EngineName;
  readonly kind: "managed" | "attached";
  /** Of its primary backup. */
  readonly cloud: string;
  readonly plan: string;
  readonly version: string;
  readonly userConfig: Readonly<Record<string, unknown>>;
  readonly users: readonly { readonly name: string; readonly password: string; readonly isAdmin: boolean }[];
  readonly databases: readonly string[];
  readonly forkedFrom: object | undefined;
  /** Who its server said that it is, when the newest base backup was taken. */
  readonly systemId: string | undefined;
}

/** A complete base backup in the store. */
export interface FoundBackup {
  readonly id: string;
  readonly reason: string;
  readonly engineVersion: string;
  readonly startedAt: Date;
  readonly consistentAt: Date;
  readonly completedAt: Date;
  readonly log: { readonly stream: string; readonly start: string; readonly end: string };
  readonly gtids: { readonly atLeast: string; readonly atMost: string } | undefined;
  readonly readBy: string | undefined;
  readonly dataBytes: number;
  readonly storedBytes: number;
  readonly packBytes: number;
  readonly fileCount: number;
}

/** Log without a gap in the store. */
export interface FoundLog {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  readonly newestCommitMicros: bigint | undefined;
  readonly sizeBytes: number;
  readonly pieceCount: number;
  readonly storedAt: Date;
}

/** All of a service that lies in one store. */
export interface FoundService {
  readonly service: DescribedService;
  /** Of the store. */
  readonly cloud: string;
  readonly backups: readonly FoundBackup[];
  readonly logs: readonly FoundLog[];
}

/**
 * Takes a service that was found in a store into the catalog (R3): it can be forked and restored from there. One that
 * the catalog knew before, and not from a store alone, is left as it is. Doing it again changes nothing.
 * @returns the name that it has here, which differs when its own was taken; undefined when it was known
 */
export async function recordRebuilt(
  db: CatalogDatabase,
  found: FoundService,
  options: { readonly masterKey: Uint8Array; readonly now: Date },
): Promise<string | undefined> {
  const { service, cloud } = found;
  const name = await db.transaction().execute(async (trx) => {
    const known = await trx
      .selectFrom("service")
      .select(["name", "rebuilt_at"])
      .where("id", "=", service.id)
      .forUpdate()
      .executeTakeFirst();
    if (known && known.rebuilt_at === null) return undefined;
    const nameHere = known?.name ?? (await insertService(trx, found, options));
    await insertLocation(trx, found, options.now);
    for (const backup of found.backups) await insertBackup(trx, found, backup);
    return nameHere;
  });
  if (name === undefined) return undefined;
  for (const log of found.logs) await recordLog(db, { ...log, serviceId: service.id, cloud });
  return name;
}

async function insertService(
  trx: CatalogDatabase,
  { service, cloud }: FoundService,
  { masterKey, now }: { readonly masterKey: Uint8Array; readonly now: Date },
): Promise<string> {
  const { id, project, users } = service;
  const isThere = await trx.selectFrom("project").select("name").where("name", "=", project).executeTakeFirst();
  if (!isThere) await insertProject(trx, { name: project, defaultCloud: cloud, tags: {}, now }, masterKey);
  const name = await freeName(trx, service);
  const admin = users.find(({ isAdmin }) => isAdmin);
  await trx
    .insertInto("service")
    .values({
      ...{ id, project, name, engine: service.engine, kind: service.kind, cloud: service.cloud },
      ...{ plan: service.plan, version: service.version, user_config: JSON.stringify(service.userConfig) },
      ...{ state: "POWEROFF", is_powered: false, system_id: service.systemId ?? null, rebuilt_at: now },
      forked_from: service.forkedFrom === undefined ? null : JSON.stringify(service.forkedFrom),
      trouble: `it is known from the store of ${cloud} alone: btar runs no server of it; fork it`,
      maintenance: JSON.stringify({ dow: "never", time: "00:00:00" }),
      tags: JSON.stringify({}),
      disk_space_mb: findPlan(service.plan)?.diskMb ?? 1,
      sealed_secrets: sealServiceSecrets(masterKey, id, {
        adminUser: admin?.name ?? "avnadmin",
        adminPassword: admin?.password ?? "",
        internalPassword: "",
      }),
      ...{ created_at: now, updated_at: now },
    })
    .execute();
  for (const user of users) {
    const sealed_password = sealUserPassword(masterKey, { serviceId: id, name: user.name }, user.password);
    await trx
      .insertInto("service_user")
      .values({ service_id: id, name: user.name, sealed_password, is_admin: user.isAdmin, created_at: now })
      .execute();
  }
  for (const database of service.databases) {
    await trx.insertInto("service_database").values({ service_id: id, name: database, created_at: now }).execute();
  }
  await recordEvent(trx, {
    project,
    service: { id, name },
    kind: "service_rebuilt",
    severity: "info",
    message: `service ${name} was found in the store of ${cloud}; it can be forked and restored from there`,
  });
  return name;
}

/** Its own, if no other service has taken that meanwhile. */
async function freeName(trx: CatalogDatabase, { project, name }: DescribedService): Promise<string> {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name.slice(0, 55)}-${number}`;
    const taken = await trx
      .selectFrom("service")
      .select("id")
      .where("project", "=", project)
      .where("name", "=", candidate)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    if (!taken) return candidate;
  }
}

async function insertLocation(trx: CatalogDatabase, { service, cloud }: FoundService, now: Date): Promise<void> {
  const isPrimary = cloud === service.cloud;
  await trx
    .insertInto("location")
    .values({
      ...{ service_id: service.id, cloud, role: isPrimary ? "primary" : "secondary", state: "active", created_at: now },
      // Nothing is copied on: who runs the service now is not known here.
      ...(isPrimary ? {} : { is_paused: true, pause_reason: "the service was rebuilt from its store" }),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

async function insertBackup(
  trx: CatalogDatabase,
  { service, cloud }: FoundService,
  backup: FoundBackup,
): Promise<void> {
  const { id, storedBytes: bytes, completedAt, log, gtids } = backup;
  await trx
    .insertInto("base_backup")
    .values({
      ...{ id, service_id: service.id, state: "complete", reason: backup.reason, engine_version: backup.engineVersion },
      ...{ started_at: backup.startedAt, consistent_at: backup.consistentAt, completed_at: completedAt },
      ...{ log_stream: log.stream, log_start: log.start, log_end: log.end },
      ...{ gtids_at_least: gtids?.atLeast ?? null, gtids_at_most: gtids?.atMost ?? null },
      read_by: backup.readBy ?? null,
      ...{ data_bytes: backup.dataBytes, stored_bytes: bytes, pack_bytes: backup.packBytes },
      file_count: backup.fileCount,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await trx
    .insertInto("backup_location")
    .values({
      ...{ backup_id: id, service_id: service.id, cloud, role: cloud === service.cloud ? "primary" : "secondary" },
      ...{ state: "complete", done_bytes: bytes, total_bytes: bytes, sent_bytes: bytes, completed_at: completedAt },
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
