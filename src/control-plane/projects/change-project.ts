import type { Selectable } from "kysely";
import type { Static } from "typebox";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { ProjectTable } from "../../catalog/schema.ts";
import type { createProjectBody, updateProjectBody } from "../../contract/projects.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { chosenCloud } from "../services/choices.ts";
import { findProject } from "./find-project.ts";
import { insertProject } from "../../catalog/insert-project.ts";
import { accountId, organizationId } from "./project-fields.ts";

/** @throws {BtarError} ALREADY_EXISTS, INVALID_INPUT, NOT_FOUND for the project to copy from */
export async function createProject(
  context: ControlPlaneContext,
  request: { readonly body: Static<typeof createProjectBody>; readonly actor: string },
): Promise<void> {
  const { body, actor } = request;
  refuseOtherAccount(body.account_id ?? body.parent_id);
  const { project: name } = body;
  const copied = body.copy_from_project == null ? undefined : await findProject(context, body.copy_from_project);
  const usualCloud = copied?.default_cloud ?? context.configuration.clouds[0]?.name ?? "";
  const defaultCloud = chosenCloud(context, body.cloud ?? usualCloud);
  const tags = body.tags ?? copied?.tags ?? {};
  await context.catalog.db.transaction().execute(async (trx) => {
    await insertProject(trx, { name, defaultCloud, tags, now: context.clock.now() }, context.masterKey);
    const message = `Created project '${name}' with default cloud '${defaultCloud}'`;
    await recordEvent(trx, { project: name, kind: "project_create", severity: "info", message, actor });
  });
}

type Tags = Readonly<Record<string, string>>;

/** What is absent stays. @throws {BtarError} INVALID_INPUT, NOT_FOUND */
export async function updateProject(
  context: ControlPlaneContext,
  request: { readonly project: string; readonly body: Static<typeof updateProjectBody>; readonly actor: string },
): Promise<void> {
  const { project, body, actor } = request;
  await findProject(context, project);
  refuseOtherAccount(body.account_id ?? body.parent_id);
  if (body.project_name !== undefined && body.project_name !== project) {
    throw new BtarError("INVALID_INPUT", {
      message: `Invalid input: project_name '${body.project_name}': a project cannot be renamed`,
      hint: "create another one",
    });
  }
  const cloud = body.cloud == null ? undefined : chosenCloud(context, body.cloud);
  await changeProject(context, { project, actor }, (row) => ({
    default_cloud: cloud ?? row.default_cloud,
    tags: body.tags ?? row.tags,
  }));
}

/** @param changed null removes a tag. @throws {BtarError} NOT_FOUND */
export async function changeProjectTags(
  context: ControlPlaneContext,
  request: { readonly project: string; readonly actor: string },
  changed: (current: Tags) => Readonly<Record<string, string | null>>,
): Promise<void> {
  await changeProject(context, request, ({ default_cloud, tags }) => {
    const kept = Object.entries(changed(tags)).filter((tag): tag is [string, string] => tag[1] !== null);
    return { default_cloud, tags: Object.fromEntries(kept) };
  });
}

async function changeProject(
  context: ControlPlaneContext,
  { project, actor }: { readonly project: string; readonly actor: string },
  change: (row: Selectable<ProjectTable>) => { readonly default_cloud: string; readonly tags: Tags },
): Promise<void> {
  const { name } = await findProject(context, project);
  await context.catalog.db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom("project")
      .selectAll()
      .where("name", "=", name)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const { default_cloud, tags } = change(row);
    await trx
      .updateTable("project")
      .set({ default_cloud, tags: JSON.stringify(tags) })
      .where("name", "=", name)
      .execute();
    const message = `Updated project '${name}'`;
    await recordEvent(trx, { project: name, kind: "project_update", severity: "info", message, actor });
  });
}

/**
 * Deletes a project that has no services, with its events: its name can be used again.
 * @throws {BtarError} NOT_FOUND, WRONG_STATE saying what stands in the way, and what to do
 */
export async function deleteProject(context: ControlPlaneContext, project: string): Promise<void> {
  const { name } = await findProject(context, project);
  if (name === context.configuration.project) {
    throw new BtarError("WRONG_STATE", {
      message: `Project ${name} is the one that the configuration names`,
      hint: "name another one there (project), and start btar again",
    });
  }
  await context.catalog.db.transaction().execute(async (trx) => {
    // A service that is being created waits for this row, and then finds it gone.
    await trx.selectFrom("project").select("name").where("name", "=", name).forUpdate().execute();
    await refuseWithServices(context, trx, name);
    for (const table of ["job", "event"] as const) await trx.deleteFrom(table).where("project", "=", name).execute();
    await trx.deleteFrom("project").where("name", "=", name).execute();
  });
}

async function refuseWithServices(context: ControlPlaneContext, trx: CatalogDatabase, project: string): Promise<void> {
  const services = await trx
    .selectFrom("service")
    .select(["name", "deleted_at"])
    .where("project", "=", project)
    .orderBy("name")
    .execute();
  const living = services.filter(({ deleted_at }) => deleted_at === null).map(({ name }) => name);
  if (living.length > 0) {
    throw new BtarError("WRONG_STATE", {
      message: `Project ${project} has services: ${living.join(", ")}`,
      hint: "delete them first",
    });
  }
  const deletions = services.flatMap(({ deleted_at }) => (deleted_at ? [deleted_at.getTime()] : []));
  if (deletions.length === 0) return;
  const { deleteGraceHours } = context.configuration.limits;
  const until = new Date(Math.max(...deletions) + deleteGraceHours * 3_600_000).toISOString();
  throw new BtarError("WRONG_STATE", {
    message: `Project ${project} still has the backups of deleted services: ${services.map(({ name }) => name).join(", ")}`,
    hint: `they are removed when their grace time is over, after ${until}; delete the project then`,
  });
}

function refuseOtherAccount(id: string | null | undefined): void {
  if (id == null || id === accountId || id === organizationId) return;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid input: account_id '${id}' is unknown`,
    hint: `there is one account: ${accountId}, the organization ${organizationId}`,
  });
}
