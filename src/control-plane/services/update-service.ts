import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { openServiceSecrets } from "../../catalog/service-secrets.ts";
import { checkBackupRegions } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import { cloudsNearTo } from "../catalogue/cloud-fields.ts";
import { runnableVersions } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { cancelJobs } from "../locations/open-copies.ts";
import { setRegions } from "../locations/set-regions.ts";
import type { ServiceRow } from "./find-service.ts";
import { moveRefusal } from "./move-refusal.ts";
import { planUpdate, type UpdateBody, type UpdatePlan } from "./update-plan.ts";
import { backupRegionsOf } from "./user-config.ts";

/** Takes a partial change over a service. */
export async function updateService(
  context: ControlPlaneContext,
  request: { readonly row: ServiceRow; readonly body: UpdateBody; readonly actor: string },
): Promise<void> {
  const { additionalClouds } = context.configuration.limits;
  const { id, cloud, engine, kind, version } = request.row;
  const configured = cloudsNearTo(context.configuration, cloud);
  if (request.body.cloud && request.body.cloud !== cloud) {
    throw moveRefusal(request.row, request.body.cloud, { configured, maxRegions: additionalClouds });
  }
  const runnable = kind === "managed" ? await runnableVersions(context, engine, cloud) : [];
  // Its own version stays valid where no agent could run it any more.
  const rules = { engine, versions: [...new Set([...runnable, version])], maxRegions: additionalClouds, kind };
  const disabled = await context.catalog.db.transaction().execute(async (trx) => {
    const row = await lockService(trx, id);
    const { askedAdminPassword } = openServiceSecrets(context.masterKey, row.id, row.sealed_secrets);
    const plan = planUpdate(row, request.body, { rules, askedAdminPassword });
    const regions = backupRegionsOf(plan.config);
    checkBackupRegions({
      ...{ wanted: regions, primary: row.cloud },
      ...{ configured, maxRegions: additionalClouds },
    });
    if (plan.changed.length === 0) return [];
    await writeUpdate(trx, context, row, plan);
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: "service_update",
      severity: "info",
      message: `Updated service '${row.name}': ${plan.changed.join(", ")}`,
      actor: request.actor,
    });
    if (plan.isServerChange) await enqueueApply(trx, context, row, {});
    return await setRegions(trx, context, { row, regions, actor: request.actor });
  });
  await cancelJobs(context, disabled);
}

/** @throws {BtarError} NOT_FOUND when it was deleted meanwhile */
export async function lockService(trx: CatalogDatabase, id: string): Promise<ServiceRow> {
  const row = await trx
    .selectFrom("service")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw new BtarError("NOT_FOUND", { message: "Service not found: it was deleted meanwhile" });
  return row;
}

async function writeUpdate(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  row: ServiceRow,
  plan: UpdatePlan,
): Promise<void> {
  await trx
    .updateTable("service")
    .set({
      user_config: JSON.stringify(plan.config),
      plan: plan.plan,
      is_powered: plan.isPowered,
      state: plan.state,
      termination_protection: plan.terminationProtection,
      maintenance: JSON.stringify(plan.maintenance),
      disk_space_mb: plan.diskSpaceMb,
      tech_emails: JSON.stringify(plan.techEmails),
      updated_at: context.clock.now(),
    })
    .where("id", "=", row.id)
    .execute();
}

/**
 * Asks the service's agent to make its server be what the rows say. While it is still being built, nothing is asked:
 * the scheduler does so when it runs.
 */
export async function enqueueApply(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  row: ServiceRow,
  input: { readonly dropUsers?: readonly string[]; readonly dropDatabases?: readonly string[] },
): Promise<void> {
  const { cloud, project, id, name } = row;
  const { generation } = await trx
    .updateTable("service")
    .set((eb) => ({ generation: eb("generation", "+", 1), updated_at: context.clock.now() }))
    .where("id", "=", id)
    .returning("generation")
    .executeTakeFirstOrThrow();
  if (row.agent_id === null) return;
  await context.jobs.enqueue(
    { kind: "apply", cloud, project, service: { id, name }, input: { ...input, generation }, priority: 20 },
    trx,
  );
}
