import { openUserPassword } from "../catalog/service-secrets.ts";
import type { AgentEnvironment } from "./environment.ts";
import { addressOf, type ServiceContext } from "./service-context.ts";

/** Makes the users and databases of the catalog exist on a managed server. What SQL made beside them stays. */
export async function putAccounts(env: AgentEnvironment, service: ServiceContext): Promise<void> {
  const { row, secrets } = service;
  const address = addressOf(env, service);
  const { server } = env.engines.of(row.engine);
  await server.putUser(address, { name: secrets.adminUser, password: secrets.adminPassword, isAdmin: true });
  const users = await env.catalog.db
    .selectFrom("service_user")
    .selectAll()
    .where("service_id", "=", row.id)
    .where("name", "!=", secrets.adminUser)
    .execute();
  for (const user of users) {
    const password = openUserPassword(env.masterKey, { serviceId: row.id, name: user.name }, user.sealed_password);
    await server.putUser(address, { name: user.name, password, isAdmin: user.is_admin });
  }
  const databases = await env.catalog.db
    .selectFrom("service_database")
    .select("name")
    .where("service_id", "=", row.id)
    .execute();
  for (const { name } of databases) {
    await server.createDatabase(address, { name, owner: secrets.adminUser });
  }
}
