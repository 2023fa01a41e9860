import type { Selectable } from "kysely";
import type { ServiceUserTable } from "../../catalog/schema.ts";
import { openUserPassword } from "../../catalog/service-secrets.ts";
import { BtarError } from "../../domain/errors.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "./find-service.ts";

/** A user of a service as the API tells it, with its password. */
export function userFields(context: ControlPlaneContext, service: ServiceRow, user: Selectable<ServiceUserTable>) {
  const owner = { serviceId: user.service_id, name: user.name };
  const { authentication } = serviceTypes[service.engine];
  return {
    username: user.name,
    type: user.is_admin ? ("primary" as const) : ("normal" as const),
    password: openUserPassword(context.masterKey, owner, user.sealed_password),
    access_cert: null,
    access_key: null,
    access_cert_not_valid_after_time: null,
    access_control: service.engine === "pg" ? { pg_allow_replication: false } : {},
    ...(authentication === undefined ? {} : { authentication }),
  };
}

/** @throws {BtarError} NOT_FOUND */
export async function findUser(
  context: ControlPlaneContext,
  service: ServiceRow,
  name: string,
): Promise<Selectable<ServiceUserTable>> {
  const user = await context.catalog.db
    .selectFrom("service_user")
    .selectAll()
    .where("service_id", "=", service.id)
    .where("name", "=", name)
    .executeTakeFirst();
  if (!user) throw unknownUser(service, name);
  return user;
}

export function unknownUser(service: ServiceRow, name: string): BtarError {
  return new BtarError("NOT_FOUND", { message: `Service user '${name}' does not exist in ${service.name}` });
}
