import { randomBytes, randomUUID } from "node:crypto";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { lockCompleteBackup } from "../../catalog/pins.ts";
import type { ForkOrigin } from "../../catalog/schema.ts";
import { freeServicePort, lockCreation } from "../../catalog/service-ports.ts";
import { openAuthorityKey, sealServiceSecrets, sealUserPassword } from "../../catalog/service-secrets.ts";
import type { EngineName } from "../../domain/engine-name.ts";
import type { Plan } from "../../domain/plan.ts";
import { issueCertificate, type KeyAndCertificate } from "../../platform/certificates.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";
import type { ForkChoice, NewService } from "./create-service.ts";
import { insertLocations, refuseTakenName } from "./service-rows.ts";
import { textOf, type UserConfig } from "./user-config.ts";

const certificateDays = 3650;
const defaultAdmin = "avnadmin";

/** Name of the database that every managed service starts with. */
export const defaultDatabase = "defaultdb";

/** A request that was checked. */
export interface CheckedService extends NewService {
  readonly type: EngineName;
  readonly plan: Plan;
  readonly cloud: string;
  readonly config: UserConfig;
  readonly regions: readonly string[];
  readonly version: string;
  readonly fork: ForkChoice | undefined;
}

interface Identity {
  readonly id: string;
  readonly adminUser: string;
  readonly adminPassword: string;
  readonly tls: KeyAndCertificate;
  readonly now: Date;
}

/** Writes a managed service's rows and its job, all or nothing. @throws {BtarError} ALREADY_EXISTS, WRONG_STATE */
export async function insertManagedService(context: ControlPlaneContext, service: CheckedService): Promise<void> {
  const { body, project, cloud, config, fork } = service;
  const identity: Identity = {
    id: randomUUID(),
    adminUser: textOf(config, "admin_username") ?? defaultAdmin,
    adminPassword: textOf(config, "admin_password") ?? randomPassword(),
    tls: await certificateFor(context, project, body.service_name),
    now: context.clock.now(),
  };
  const { id } = identity;
  await context.catalog.db.transaction().execute(async (trx) => {
    await lockCreation(trx);
    if (fork) await lockCompleteBackup(trx, { backupId: fork.chosen.backupId, cloud: fork.chosen.fromCloud });
    await refuseTakenName(trx, project, body.service_name);
    await insertServiceRow(trx, context, service, identity);
    await insertAccounts(trx, context, identity, { isFork: fork !== undefined });
    await insertLocations(trx, { id, cloud, regions: service.regions, now: identity.now });
    await recordEvent(trx, {
      project,
      service: { id, name: body.service_name },
      kind: "service_create",
      severity: "info",
      message: createdMessage(service),
      actor: service.actor,
    });
    await context.jobs.enqueue(
      {
        kind: fork ? "fork" : "provision",
        cloud,
        project,
        service: { id, name: body.service_name },
        input: fork ? { source: { serviceId: fork.source.id }, ...fork.chosen } : {},
        priority: 10,
      },
      trx,
    );
  });
}

async function insertServiceRow(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  service: CheckedService,
  identity: Identity,
): Promise<void> {
  const { body, plan, fork } = service;
  const { id, now } = identity;
  const { admin_password, ...config } = service.config;
  await trx
    .insertInto("service")
    .values({
      id,
      project: service.project,
      name: body.service_name,
      engine: service.type,
      kind: "managed",
      cloud: service.cloud,
      plan: plan.name,
      version: service.version,
      user_config: JSON.stringify(config),
      state: "REBUILDING",
      termination_protection: body.termination_protection ?? false,
      maintenance: JSON.stringify({
        dow: body.maintenance?.dow ?? "never",
        time: body.maintenance?.time ?? "00:00:00",
      }),
      tags: JSON.stringify(body.tags ?? (body.copy_tags && fork ? fork.source.tags : {})),
      tech_emails: JSON.stringify(body.tech_emails ?? []),
      disk_space_mb: body.disk_space_mb ?? plan.diskMb,
      host: context.configuration.services.advertisedHost,
      port: await freeServicePort(trx, context.configuration.services.ports),
      sealed_secrets: sealServiceSecrets(context.masterKey, id, {
        adminUser: identity.adminUser,
        adminPassword: identity.adminPassword,
        ...(typeof admin_password === "string" ? { askedAdminPassword: admin_password } : {}),
        internalPassword: randomPassword(),
        tlsCertificate: identity.tls.certificate,
        tlsPrivateKey: identity.tls.privateKey,
      }),
      forked_from: fork ? JSON.stringify(originOf(fork)) : null,
      created_at: now,
      updated_at: now,
    })
    .execute();
}

function originOf({ source, chosen, isSourceDown }: ForkChoice): ForkOrigin {
  return {
    serviceId: source.id,
    serviceName: source.name,
    project: source.project,
    sourceCloud: source.cloud,
    sourceWasDown: isSourceDown,
    cloud: chosen.fromCloud,
    backupId: chosen.backupId,
    target: targetText(chosen.target),
  };
}

function targetText(target: ForkChoice["chosen"]["target"]): string {
  if (target.kind === "time") return target.at;
  return target.kind === "gtid" ? target.gtid : target.kind;
}

/** A fork's other users, and its databases, come with the backup. */
async function insertAccounts(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { id, adminUser, adminPassword, now }: Identity,
  { isFork }: { readonly isFork: boolean },
): Promise<void> {
  await trx
    .insertInto("service_user")
    .values({
      service_id: id,
      name: adminUser,
      sealed_password: sealUserPassword(context.masterKey, { serviceId: id, name: adminUser }, adminPassword),
      is_admin: true,
      created_at: now,
    })
    .execute();
  if (isFork) return;
  await trx.insertInto("service_database").values({ service_id: id, name: defaultDatabase, created_at: now }).execute();
}

function createdMessage({ body, type, plan, cloud, fork }: CheckedService): string {
  const created = `Created '${type}' service '${body.service_name}' with plan '${plan.name}' in cloud '${cloud}'`;
  return fork ? `${created} as a fork of '${fork.source.name}'` : created;
}

async function certificateFor(
  context: ControlPlaneContext,
  project: string,
  commonName: string,
): Promise<KeyAndCertificate> {
  const { ca_certificate, sealed_ca_key } = await findProject(context, project);
  const privateKey = openAuthorityKey(context.masterKey, project, sealed_ca_key);
  const { listenHost, advertisedHost } = context.configuration.services;
  const hosts = [...new Set([advertisedHost, listenHost, "localhost", "127.0.0.1"])];
  return issueCertificate({ certificate: ca_certificate, privateKey }, { commonName, hosts, days: certificateDays });
}

/** Letters, digits, `-` and `_`, with 144 random bits. */
export function randomPassword(): string {
  return `BTAR_${randomBytes(18).toString("base64url")}`;
}
