import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { openServiceSecrets, sealServiceSecrets, sealUserPassword } from "../../catalog/service-secrets.ts";
import { type EngineName, productNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import type { EventKind } from "../../domain/event-kinds.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findService, type ServiceName, type ServiceRow } from "./find-service.ts";
import { randomPassword } from "./insert-service.ts";
import { enqueueApply, lockService } from "./update-service.ts";
import { refuseUserName } from "./user-config.ts";
import { unknownUser } from "./user-fields.ts";

/** A service, and who changes it. */
export interface AccountChange extends ServiceName {
  readonly actor: string;
}

/** @throws {BtarError} ALREADY_EXISTS, INVALID_INPUT, WRONG_STATE, NOT_FOUND */
export async function createUser(
  context: ControlPlaneContext,
  service: AccountChange,
  user: { readonly name: string; readonly authentication: unknown },
): Promise<void> {
  const { name } = user;
  await changeRunning(context, service, async (trx, row) => {
    refuseUserName(row.engine, name);
    refuseAuthentication(row.engine, user.authentication);
    const sealed = sealUserPassword(context.masterKey, { serviceId: row.id, name }, randomPassword());
    const { numInsertedOrUpdatedRows } = await trx
      .insertInto("service_user")
      .values({ service_id: row.id, name, sealed_password: sealed, created_at: context.clock.now() })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (!numInsertedOrUpdatedRows) {
      throw new BtarError("ALREADY_EXISTS", { message: `Service user '${name}' already exists` });
    }
    await enqueueApply(trx, context, row, {});
    return { kind: "user_create", message: `Created user '${name}' of service '${row.name}'` };
  });
}

/** @throws {BtarError} NOT_FOUND, WRONG_STATE also for the administrator */
export async function deleteUser(context: ControlPlaneContext, service: AccountChange, name: string): Promise<void> {
  await changeRunning(context, service, async (trx, row) => {
    const deleted = await trx
      .deleteFrom("service_user")
      .where("service_id", "=", row.id)
      .where("name", "=", name)
      .returning("is_admin")
      .executeTakeFirst();
    if (!deleted) throw unknownUser(row, name);
    if (deleted.is_admin) {
      throw new BtarError("WRONG_STATE", {
        message: `Service user '${name}' is the administrator and cannot be deleted`,
      });
    }
    await enqueueApply(trx, context, row, { dropUsers: [name] });
    return { kind: "user_delete", message: `Deleted user '${name}' of service '${row.name}'` };
  });
}

/**
 * @param name undefined for the administrator
 * @param password a random one when undefined
 * @throws {BtarError} NOT_FOUND, WRONG_STATE
 */
export async function resetPassword(
  context: ControlPlaneContext,
  service: AccountChange,
  change: {
    readonly name: string | undefined;
    readonly password: string | undefined;
    readonly authentication?: unknown;
  },
): Promise<void> {
  await changeRunning(context, service, async (trx, row) => {
    refuseAuthentication(row.engine, change.authentication);
    const { masterKey } = context;
    const secrets = openServiceSecrets(masterKey, row.id, row.sealed_secrets);
    const name = change.name ?? secrets.adminUser;
    const password = change.password ?? randomPassword();
    const updated = await trx
      .updateTable("service_user")
      .set({ sealed_password: sealUserPassword(masterKey, { serviceId: row.id, name }, password) })
      .where("service_id", "=", row.id)
      .where("name", "=", name)
      .returning("is_admin")
      .executeTakeFirst();
    if (!updated) throw unknownUser(row, name);
    if (updated.is_admin) {
      await trx
        .updateTable("service")
        .set({ sealed_secrets: sealServiceSecrets(masterKey, row.id, { ...secrets, adminPassword: password }) })
        .where("id", "=", row.id)
        .execute();
    }
    await enqueueApply(trx, context, row, {});
    return { kind: "user_reset", message: `Reset the password of user '${name}' of service '${row.name}'` };
  });
}

/** @throws {BtarError} ALREADY_EXISTS, INVALID_INPUT, WRONG_STATE, NOT_FOUND */
export async function createDatabase(
  context: ControlPlaneContext,
  service: AccountChange,
  name: string,
): Promise<void> {
  await changeRunning(context, service, async (trx, row) => {
    if (serviceTypes[row.engine].isReservedDatabase(name)) {
      throw new BtarError("INVALID_INPUT", {
        message: `Invalid input: the database name '${name}' is reserved`,
        hint: "choose another one",
      });
    }
    const { numInsertedOrUpdatedRows } = await trx
      .insertInto("service_database")
      .values({ service_id: row.id, name, created_at: context.clock.now() })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (!numInsertedOrUpdatedRows) {
      throw new BtarError("ALREADY_EXISTS", { message: `Database '${name}' already exists` });
    }
    await enqueueApply(trx, context, row, {});
    return { kind: "database_create", message: `Created database '${name}' in service '${row.name}'` };
  });
}

/** @throws {BtarError} NOT_FOUND, WRONG_STATE */
export async function deleteDatabase(
  context: ControlPlaneContext,
  service: AccountChange,
  name: string,
): Promise<void> {
  await changeRunning(context, service, async (trx, row) => {
    const { numDeletedRows } = await trx
      .deleteFrom("service_database")
      .where("service_id", "=", row.id)
      .where("name", "=", name)
      .executeTakeFirst();
    if (numDeletedRows === 0n) {
      throw new BtarError("NOT_FOUND", { message: `Database '${name}' does not exist in ${row.name}` });
    }
    await enqueueApply(trx, context, row, { dropDatabases: [name] });
    return { kind: "database_delete", message: `Deleted database '${name}' of service '${row.name}'` };
  });
}

/** Databases by name, from the one after `after` on. */
export async function databaseNames(
  context: ControlPlaneContext,
  asked: { readonly serviceId: string; readonly after: string | undefined; readonly limit: number | undefined },
): Promise<{ readonly names: readonly string[]; readonly isAll: boolean }> {
  const { serviceId, after, limit } = asked;
  let query = context.catalog.db
    .selectFrom("service_database")
    .select("name")
    .where("service_id", "=", serviceId)
    .orderBy("name");
  if (after !== undefined) query = query.where("name", ">", after);
  if (limit !== undefined) query = query.limit(limit + 1);
  const names = (await query.execute()).map(({ name }) => name);
  const isAll = limit === undefined || names.length <= limit;
  return { names: isAll ? names : names.slice(0, limit), isAll };
}

/**
 * A user that may replicate could drop the slot that keeps WAL for btar, or keep WAL without end.
 * @throws {BtarError} INVALID_INPUT
 */
export function refuseReplication(
  { name }: ServiceRow,
  asked: { readonly pg_allow_replication?: boolean | null } | null | undefined,
): void {
  if (!asked?.pg_allow_replication) return;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid input: access_control.pg_allow_replication 'true': users of ${name} cannot replicate`,
    hint: "leave it out, or say false; attach a server of your own for replicas of it",
  });
}

/** Clients name a way to log in for engines that have several; others send what they have no use for. */
function refuseAuthentication(engine: EngineName, asked: unknown): void {
  const { authentication } = serviceTypes[engine];
  if (authentication === undefined || asked === undefined || asked === null || asked === authentication) return;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid input: authentication '${String(asked)}'`,
    hint: `users of ${productNames[engine]} services log in by ${authentication}`,
  });
}

/** Users and databases are those of a managed service that was built and is powered on. */
async function changeRunning(
  context: ControlPlaneContext,
  service: AccountChange,
  change: (trx: CatalogDatabase, row: ServiceRow) => Promise<{ readonly kind: EventKind; readonly message: string }>,
): Promise<void> {
  const { id } = await findService(context, service);
  await context.catalog.db.transaction().execute(async (trx) => {
    const row = await lockService(trx, id);
    refuseUnlessRunning(row);
    const event = await change(trx, row);
    const { project } = row;
    await recordEvent(trx, { ...event, project, service: row, severity: "info", actor: service.actor });
  });
}

function refuseUnlessRunning(row: ServiceRow): void {
  if (row.kind === "attached") {
    throw new BtarError("WRONG_STATE", {
      message: `Service ${row.name} is attached: its users and databases are its own`,
      hint: "change them on the server itself",
    });
  }
  if (!row.is_powered) {
    throw new BtarError("WRONG_STATE", { message: `Service ${row.name} is powered off`, hint: "power it on first" });
  }
  if (row.agent_id === null) {
    throw new BtarError("WRONG_STATE", {
      message: `Service ${row.name} is still being built`,
      hint: "wait until it is RUNNING",
    });
  }
}
