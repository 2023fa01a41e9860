import { randomUUID } from "node:crypto";
import type { Static } from "typebox";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { sealServiceSecrets } from "../../catalog/service-secrets.ts";
import type { attachServiceBody, preflightBody } from "../../contract/attached-services.ts";
import { checkBackupRegions } from "../../domain/cloud.ts";
import { lockCreation } from "../../catalog/service-ports.ts";
import { BtarError } from "../../domain/errors.ts";
import type { Plan } from "../../domain/plan.ts";
import { parseServiceUri } from "../../domain/service-uri.ts";
import type { PreflightFinding, ServerAddress, ServerIdentity } from "../../engine/engine.ts";
import { cloudsNearTo } from "../catalogue/cloud-fields.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";
import { chosenCloud, chosenPlan } from "./choices.ts";
import { insertLocations, refuseTakenName } from "./service-rows.ts";
import { backupRegionsOf, changedConfig, type UserConfig } from "./user-config.ts";

const preflightTimeoutMs = 30_000;
const defaultPlan = "startup-4";

interface AttachRequest {
  readonly project: string;
  readonly actor: string;
  readonly body: Static<typeof attachServiceBody>;
}

interface AttachedService extends AttachRequest {
  readonly cloud: string;
  readonly plan: Plan;
  readonly config: UserConfig;
  readonly regions: readonly string[];
  readonly identity: ServerIdentity;
}

/**
 * Takes a database that runs elsewhere into care, once nothing is missing on it.
 * @returns what could be better on it
 * @throws {BtarError} PREFLIGHT_FAILED with each missing thing and what mends it, ALREADY_EXISTS, INVALID_…
 */
export async function attachService(
  context: ControlPlaneContext,
  request: AttachRequest,
): Promise<readonly PreflightFinding[]> {
  const { project, body } = request;
  await findProject(context, project);
  const cloud = chosenCloud(context, body.cloud);
  const { engine } = parseServiceUri(body.uri);
  const plan = chosenPlan(engine, body.plan ?? defaultPlan);
  const maxRegions = context.configuration.limits.additionalClouds;
  const rules = { engine, versions: [], maxRegions, kind: "attached" } as const;
  const config = changedConfig({}, body.user_config ?? {}, rules);
  const regions = backupRegionsOf(config);
  checkBackupRegions({
    wanted: regions,
    primary: cloud,
    configured: cloudsNearTo(context.configuration, cloud),
    maxRegions,
  });
  await refuseTakenName(context.catalog.db, project, body.service_name);
  const findings = await preflight(context, body);
  const missing = findings.filter(({ severity }) => severity === "error");
  if (missing.length > 0) throw preflightError(body.service_name, missing);
  const identity = await withinTime(body, (address, signal) =>
    context.engines.of(engine).source.identify(address, { signal }),
  );
  await insertAttachedService(context, { ...request, cloud, plan, config, regions, identity });
  return findings;
}

/**
 * Everything that a database lacks to be attached. Changes nothing on it.
 * @throws {BtarError} INVALID_SERVICE_URI, TIMED_OUT
 */
export async function preflight(
  context: ControlPlaneContext,
  body: Static<typeof preflightBody>,
): Promise<readonly PreflightFinding[]> {
  const { source } = context.engines.of(parseServiceUri(body.uri).engine);
  return await withinTime(body, (address, signal) => source.preflight(address, { signal }));
}

async function withinTime<T>(
  { uri, ca }: Static<typeof preflightBody>,
  ask: (address: ServerAddress, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { host, port, user, password, database, tlsMode } = parseServiceUri(uri);
  const signal = AbortSignal.timeout(preflightTimeoutMs);
  try {
    return await ask({ host, port, user, password, database, tls: { mode: tlsMode, ca } }, signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new BtarError("TIMED_OUT", {
      message: `the database at ${host}:${port} did not answer within ${preflightTimeoutMs / 1000} s`,
      hint: "check the address, and that firewalls let btar through",
      cause,
    });
  }
}

async function insertAttachedService(context: ControlPlaneContext, service: AttachedService): Promise<void> {
  const { project, body, cloud, regions } = service;
  const id = randomUUID();
  const now = context.clock.now();
  const { host, port } = parseServiceUri(body.uri);
  await context.catalog.db.transaction().execute(async (trx) => {
    await lockCreation(trx);
    await refuseTakenName(trx, project, body.service_name);
    await insertRow(trx, context, service, { id, now });
    await insertLocations(trx, { id, cloud, regions, now });
    await recordEvent(trx, {
      project,
      service: { id, name: body.service_name },
      kind: "service_attach",
      severity: "info",
      message: `Attached '${body.service_name}' at ${host}:${port}, primary backup in '${cloud}'`,
      actor: service.actor,
    });
    await context.jobs.enqueue(
      { kind: "provision", cloud, project, service: { id, name: body.service_name }, input: {}, priority: 10 },
      trx,
    );
  });
}

async function insertRow(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  service: AttachedService,
  { id, now }: { readonly id: string; readonly now: Date },
): Promise<void> {
  const { body, plan, identity } = service;
  const { engine, host, port, user } = parseServiceUri(body.uri);
  await trx
    .insertInto("service")
    .values({
      id,
      project: service.project,
      name: body.service_name,
      engine,
      kind: "attached",
      cloud: service.cloud,
      plan: plan.name,
      version: identity.majorVersion,
      user_config: JSON.stringify(service.config),
      state: "REBUILDING",
      maintenance: JSON.stringify({ dow: "never", time: "00:00:00" }),
      tags: "{}",
      disk_space_mb: plan.diskMb,
      host,
      port,
      system_id: identity.systemId,
      sealed_secrets: sealServiceSecrets(context.masterKey, id, {
        adminUser: user,
        adminPassword: "",
        internalPassword: "",
        attachedUri: body.uri,
        attachedCa: body.ca,
      }),
      created_at: now,
      updated_at: now,
    })
    .execute();
}

function preflightError(name: string, missing: readonly PreflightFinding[]): BtarError {
  const list = missing.map(({ message, fix }) => `${message}; mend it: ${fix}`).join(" | ");
  return new BtarError("PREFLIGHT_FAILED", {
    message: `${name} cannot be attached, ${missing.length} ${missing.length === 1 ? "thing is" : "things are"} missing: ${list}`,
  });
}
