import type { Selectable } from "kysely";
import type { ProjectTable } from "../../catalog/schema.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

/** @throws {BtarError} NOT_FOUND */
export async function findProject(context: ControlPlaneContext, name: string): Promise<Selectable<ProjectTable>> {
  const { db } = context.catalog;
  const row = await db.selectFrom("project").selectAll().where("name", "=", name).executeTakeFirst();
  if (row) return row;
  const known = await db.selectFrom("project").select("name").orderBy("name").execute();
  throw new BtarError("NOT_FOUND", {
    message: `Project not found: ${name}`,
    hint: `there are: ${known.map((project) => project.name).join(", ")}`,
  });
}
