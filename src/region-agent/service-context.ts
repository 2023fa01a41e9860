import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Selectable } from "kysely";
import type { ServiceSecrets, ServiceTable } from "../catalog/schema.ts";
import { openServiceSecrets } from "../catalog/service-secrets.ts";
import { BtarError, isBtarError } from "../domain/errors.ts";
import { findPlan } from "../domain/plan.ts";
import { parseServiceUri } from "../domain/service-uri.ts";
import type { ServerAddress } from "../engine/engine.ts";
import type { ServerSpec } from "../engine/server.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { Repository } from "../repository/repository.ts";
import type { AgentEnvironment } from "./environment.ts";

/** btar's own account on managed servers. */
export const internalUser = "btar_internal";

/** A service as an agent works with it. */
export interface ServiceContext {
  readonly row: Selectable<ServiceTable>;
  readonly secrets: ServiceSecrets;
}

/** Name of the replication slot: only letters, digits and underscores, and ours at a glance. */
export function reservationName(serviceId: string): string {
  return `btar_${serviceId.replaceAll("-", "").slice(0, 20)}`;
}

/** @throws {BtarError} NOT_FOUND */
export async function loadService(
  env: Pick<AgentEnvironment, "catalog" | "masterKey">,
  serviceId: string,
): Promise<ServiceContext> {
  const row = await env.catalog.db.selectFrom("service").selectAll().where("id", "=", serviceId).executeTakeFirst();
  if (!row) throw new BtarError("NOT_FOUND", { message: `there is no service ${serviceId}` });
  return { row, secrets: openServiceSecrets(env.masterKey, serviceId, row.sealed_secrets) };
}

/** How this agent reaches the service's server. */
export function addressOf(
  env: Pick<AgentEnvironment, "engines" | "configuration" | "cloud">,
  service: ServiceContext,
): ServerAddress {
  const { row, secrets } = service;
  if (row.kind === "managed") {
    const { server } = env.engines.of(row.engine);
    return server.internalAddress(serverDirectory(env, row.id), specOf(env, service));
  }
  if (secrets.attachedUri === undefined) {
    throw new BtarError("INTERNAL", { message: `attached service ${row.name} has no URI in the catalog` });
  }
  const uri = parseServiceUri(secrets.attachedUri);
  const { host, port, user, password, database } = uri;
  return { host, port, user, password, database, tls: { mode: uri.tlsMode, ca: secrets.attachedCa } };
}

/** How a managed service's server is to run. */
export function specOf(env: Pick<AgentEnvironment, "configuration">, { row, secrets }: ServiceContext): ServerSpec {
  const plan = findPlan(row.plan);
  const { tlsCertificate, tlsPrivateKey } = secrets;
  if (!plan || row.port === null || tlsCertificate === undefined || tlsPrivateKey === undefined) {
    throw new BtarError("INTERNAL", {
      message: `service ${row.name} cannot run: its plan, port or certificate is not in the catalog`,
    });
  }
  return {
    serviceName: row.name,
    majorVersion: row.version,
    listenHost: env.configuration.services.listenHost,
    port: row.port,
    memoryMb: plan.memoryMb,
    accounts: {
      admin: { name: secrets.adminUser, password: secrets.adminPassword },
      internal: { name: internalUser, password: secrets.internalPassword },
    },
    userConfig: row.user_config,
    tls: { certificate: tlsCertificate, privateKey: tlsPrivateKey },
  };
}

/** Makes the directory that servers of this cloud live in; their user passes through it, and sees nothing. */
export async function makeServersDirectory(env: AgentEnvironment): Promise<void> {
  await mkdir(serversDirectory(env), { recursive: true, mode: 0o711 });
}

/** Where managed services' servers live on this host. It may be on a disk of its own. */
export function serversDirectory({ configuration, cloud }: Pick<AgentEnvironment, "configuration" | "cloud">): string {
  return join(configuration.dataDirectory, "clouds", cloud, "services");
}

/** Where the server of one of them does. */
export function serverDirectory(env: Pick<AgentEnvironment, "configuration" | "cloud">, serviceId: string): string {
  return join(serversDirectory(env), serviceId);
}

/** The service's repository in a store, for writing. A first base backup and the log begin together, with one key. */
export async function repositoryForWriting(
  env: AgentEnvironment,
  serviceId: string,
  store: ObjectStore,
  signal: AbortSignal,
): Promise<Repository> {
  const options = { ...repositoryOptions(env, serviceId, store), signal };
  try {
    return await Repository.open(options);
  } catch (error) {
    if (!isBtarError(error, "NO_BACKUP")) throw error;
    return await env.keyLocks.run(serviceId, () => Repository.create(options));
  }
}

/** The service's repository in a store, for reading. */
export async function repositoryForReading(
  env: AgentEnvironment,
  serviceId: string,
  store: ObjectStore,
  signal: AbortSignal,
): Promise<Repository> {
  return await Repository.open({ ...repositoryOptions(env, serviceId, store), signal });
}

function repositoryOptions(env: AgentEnvironment, serviceId: string, store: ObjectStore) {
  return { store, serviceId, masterKey: env.masterKey, compressionLevel: env.configuration.backups.compressionLevel };
}
