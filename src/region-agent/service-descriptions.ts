import { openUserPassword } from "../catalog/service-secrets.ts";
import type { ServerAddress } from "../engine/engine.ts";
import type { ServiceDescription } from "../repository/service-description.ts";
import type { AgentEnvironment } from "./environment.ts";
import type { ServiceContext } from "./service-context.ts";

/** What is stored with a backup, so that a fork gets the source's settings, databases and users (P4, F5). */
export async function describeService(
  env: AgentEnvironment,
  service: ServiceContext,
  address: ServerAddress,
): Promise<ServiceDescription> {
  const { row } = service;
  const users = await env.catalog.db
    .selectFrom("service_user")
    .selectAll()
    .where("service_id", "=", row.id)
    .orderBy("name")
    .execute();
  // An attached server's account may only be allowed to replicate; its users and databases are in the files anyway.
  const databases =
    row.kind === "managed" ? (await env.engines.of(row.engine).server.listAccounts(address)).databases : [];
  return {
    format: 1,
    serviceId: row.id,
    project: row.project,
    name: row.name,
    engine: row.engine,
    kind: row.kind,
    cloud: row.cloud,
    plan: row.plan,
    version: row.version,
    userConfig: row.user_config,
    users: users.map(({ name, sealed_password, is_admin }) => ({
      name,
      password: openUserPassword(env.masterKey, { serviceId: row.id, name }, sealed_password),
      isAdmin: is_admin,
    })),
    databases,
    ...(row.forked_from ? { forkedFrom: row.forked_from } : {}),
    writtenAt: new Date().toISOString(),
  };
}
