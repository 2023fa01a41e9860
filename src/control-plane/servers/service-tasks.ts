import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import type { Static } from "typebox";
import type { ServiceTaskTable } from "../../catalog/schema.ts";
import type { taskBody } from "../../contract/server-reports.ts";
import { productNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { runnableVersions } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

const keepDays = 7;
const dayMs = 86_400_000;

interface Answer {
  readonly isSuccess: boolean;
  readonly result: string;
}

/** Answers a client's question whether something can be done with a service. @throws {BtarError} INVALID_INPUT */
export async function createTask(context: ControlPlaneContext, row: ServiceRow, body: Static<typeof taskBody>) {
  const { isSuccess, result } =
    body.task_type === "upgrade_check" ? await upgradeCheck(context, row, body) : migrationCheck(row, body);
  const { db } = context.catalog;
  const now = context.clock.now();
  await db
    .deleteFrom("service_task")
    .where("service_id", "=", row.id)
    .where("created_at", "<", new Date(now.getTime() - keepDays * dayMs))
    .execute();
  const task = await db
    .insertInto("service_task")
    .values({
      id: randomUUID(),
      service_id: row.id,
      task_type: body.task_type,
      is_success: isSuccess,
      result,
      created_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return taskFields(task);
}

/** @throws {BtarError} NOT_FOUND */
export async function findTask(context: ControlPlaneContext, row: ServiceRow, id: string) {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
  const task = isId
    ? await context.catalog.db
        .selectFrom("service_task")
        .selectAll()
        .where("service_id", "=", row.id)
        .where("id", "=", id)
        .executeTakeFirst()
    : undefined;
  if (task) return taskFields(task);
  throw new BtarError("NOT_FOUND", { message: `Service ${row.name} has no task ${id}` });
}

/** A version is never changed where it is: what does it instead is said. */
async function upgradeCheck(
  context: ControlPlaneContext,
  { name, engine, version, cloud }: ServiceRow,
  body: Static<typeof taskBody>,
): Promise<Answer> {
  const target = body.upgrade_check?.target_version ?? body.target_version;
  if (target === undefined) {
    throw new BtarError("INVALID_INPUT", { message: "Invalid input: 'target_version' is a required property" });
  }
  const product = productNames[engine];
  if (target === version) return { isSuccess: true, result: `${name} has ${product} ${version} already` };
  const runnable = await runnableVersions(context, engine, cloud);
  const result = runnable.includes(target)
    ? `${name} stays with ${product} ${version}: btar does not change a service's major version. Create a service of ` +
      `version ${target}, and move the data with ${dumpProgram(engine)} or logical replication`
    : `${product} ${target} cannot run in ${cloud}; versions that can: ${runnable.join(", ") || "none"}`;
  return { isSuccess: false, result };
}

function migrationCheck({ name, engine }: ServiceRow, body: Static<typeof taskBody>): Answer {
  if (body.migration_check == null) {
    throw new BtarError("INVALID_INPUT", { message: "Invalid input: 'migration_check' is a required property" });
  }
  const result =
    `btar does not migrate a database into ${name}. Load a dump made with ${dumpProgram(engine)}, or attach the ` +
    "database where it is, and fork it";
  return { isSuccess: false, result };
}

function dumpProgram(engine: ServiceRow["engine"]): string {
  return engine === "pg" ? "pg_dump" : "mysqldump";
}

function taskFields(task: Selectable<ServiceTaskTable>) {
  return {
    task_id: task.id,
    task_type: task.task_type,
    success: task.is_success,
    result: task.result,
    create_time: task.created_at.toISOString(),
  };
}
