import type { Static } from "typebox";
import { requestBaseBackup } from "../../catalog/backups.ts";
import { recordEvent } from "../../catalog/events.ts";
import { lockCompleteBackup } from "../../catalog/pins.ts";
import { recoveryByLocation } from "../../catalog/recovery.ts";
import {
  backupAnswer,
  backupsAnswer,
  backupsQuery,
  deleteBackupAnswer,
  deleteBackupQuery,
  keepBackupBody,
  newBackupAnswer,
  reportAnswer,
  reportBody,
  restoreAnswer,
  restoreBody,
  verifyAnswer,
  verifyBody,
} from "../../contract/backups.ts";
import { backupPath, servicePath } from "../../contract/paths.ts";
import { regionOf } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import { microsToDate, parseTargetTime } from "../../domain/recovery-target-time.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { requireHostAccess } from "../http/authorization.ts";
import { copyReport } from "../estimate/copy-report.ts";
import { findJob, jobFields } from "../jobs/job-fields.ts";
import { scheduleOf } from "../scheduler/backup-schedule.ts";
import { findService, findServiceEvenDeleted, type ServiceRow } from "../services/find-service.ts";
import { chooseBackup, forkLocation } from "../services/fork-request.ts";
import { backupFields, findBackup } from "./backup-fields.ts";
import { deleteBackup } from "./delete-backup.ts";
import { keepBackup } from "./keep-backup.ts";
import { lagReport } from "./lag-report.ts";
import { verifyService } from "./verify-service.ts";

export function backupRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/service/:service/backups",
    {
      schema: {
        summary: "Base backups and recovery windows",
        params: servicePath,
        querystring: backupsQuery,
        response: answers(backupsAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      const schedule = scheduleOf(row, context.configuration);
      return {
        backups: await backupFields(context, row, request.query.all === "true" ? {} : { states: ["complete"] }),
        scheduled_backup_time: {
          backup_hour: schedule.hour,
          backup_minute: schedule.minute,
          backup_interval_hours: schedule.intervalHours,
        },
        backup_progress: null,
        pitr: await pitrFields(context, row),
      };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/btar/verify",
    {
      schema: {
        summary: "Verify what the stores hold of it; damage is healed from another location where that can be",
        params: servicePath,
        body: verifyBody,
        response: answers(verifyAnswer),
      },
    },
    async (request) => {
      const row = await findServiceEvenDeleted(context, request.params);
      const { location: cloud, read_data_percent: readDataPercent = 0 } = request.body;
      const ids = await verifyService(context, row, { cloud, readDataPercent, bytesPerSecond: undefined });
      const jobs = await Promise.all(ids.map((id) => findJob(context, { project: row.project, id })));
      return {
        jobs: jobs.map(jobFields),
        message: `${row.name} is verified in ${jobs.map((job) => job.cloud).join(", ")}`,
      };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/backups",
    { schema: { summary: "Take a base backup now", params: servicePath, response: answers(newBackupAnswer) } },
    async (request) =>
      await takeBackup(context, await findService(context, request.params), { actor: actorOf(request) }),
  );

  app.get(
    "/v1/project/:project/service/:service/backups/:backup",
    {
      schema: { summary: "One base backup, and where it is", params: backupPath, response: answers(backupAnswer) },
    },
    async (request) => {
      const row = await findService(context, request.params);
      return { backup: await findBackup(context, row, request.params.backup) };
    },
  );

  app.put(
    "/v1/project/:project/service/:service/backups/:backup",
    {
      schema: {
        summary: "Keep a base backup beyond its retention, or release it",
        params: backupPath,
        body: keepBackupBody,
        response: answers(backupAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      const { backup } = request.params;
      const { kept: isKept = true, keep_until } = request.body;
      const until = keep_until == null ? undefined : microsToDate(parseTargetTime(keep_until));
      await keepBackup(context, row, { backup, isKept, until, actor: actorOf(request) });
      return { backup: await findBackup(context, row, backup) };
    },
  );

  app.delete(
    "/v1/project/:project/service/:service/backups/:backup",
    {
      schema: {
        summary: "Delete a base backup, everywhere or in one cloud",
        params: backupPath,
        querystring: deleteBackupQuery,
        response: answers(deleteBackupAnswer),
      },
    },
    async (request) => {
      const row = await findServiceEvenDeleted(context, request.params);
      const { backup } = request.params;
      const { location, force_last } = request.query;
      const isLastForced = force_last === "true";
      const jobIds = await deleteBackup(context, row, { backup, location, isLastForced, actor: actorOf(request) });
      const jobs = [];
      for (const id of jobIds) jobs.push(jobFields(await findJob(context, { project: row.project, id })));
      return { message: `base backup ${backup} is being deleted`, jobs };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/restore",
    {
      schema: {
        summary: "Restore the files only, on the host of a location's agent",
        params: servicePath,
        body: restoreBody,
        response: answers(restoreAnswer),
      },
    },
    async (request) => {
      const row = await findServiceEvenDeleted(context, request.params);
      requireHostAccess(context, request);
      return { job: await restore(context, row, request.body) };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/backup_to_another_region/report",
    {
      schema: {
        summary: "Lag of the additional clouds over time",
        params: servicePath,
        body: reportBody,
        response: answers(reportAnswer),
      },
    },
    async (request) => {
      const { id } = await findService(context, request.params);
      const period = request.body?.period ?? "hour";
      return { metrics: { ...(await lagReport(context, id, period)), ...(await copyReport(context, id, period)) } };
    },
  );
}

async function takeBackup(context: ControlPlaneContext, row: ServiceRow, request: { readonly actor: string }) {
  if (row.state === "REBUILDING" || !row.is_powered) {
    throw new BtarError("WRONG_STATE", {
      message: `Service ${row.name} is ${row.is_powered ? "not running yet" : "powered off"}`,
      hint: row.is_powered ? "wait until it is RUNNING" : "power it on first: a server that is off writes nothing new",
    });
  }
  const { backupId, jobId } = await context.catalog.db.transaction().execute(async (trx) => {
    const asked = await requestBaseBackup(trx, context.jobs, row, "request");
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: "backup_request",
      severity: "info",
      message: `base backup ${asked.backupId} of ${row.name} was asked for`,
      actor: request.actor,
    });
    return asked;
  });
  return {
    backup: await findBackup(context, row, backupId),
    job: jobFields(await findJob(context, { project: row.project, id: jobId })),
  };
}

async function restore(context: ControlPlaneContext, row: ServiceRow, body: Static<typeof restoreBody>) {
  if (body.database != null) throw singleDatabase(row, body);
  const cloud = await forkLocation(context, row, body.location);
  const chosen = await chooseBackup(context, {
    source: row,
    cloud,
    time: body.target_time ?? undefined,
    gtid: body.target_gtid ?? undefined,
    backup: body.backup_name ?? undefined,
  });
  const input = {
    ...chosen,
    directory: body.directory,
    delta: body.delta ?? false,
    tablespaceMapping: body.tablespace_mapping ?? {},
    ...(body.tablespace_directory != null && { tablespaceDirectory: body.tablespace_directory }),
  };
  const { project } = row;
  const id = await context.catalog.db.transaction().execute(async (trx) => {
    await lockCompleteBackup(trx, { backupId: chosen.backupId, cloud });
    return await context.jobs.enqueue({ kind: "restore", cloud, project, service: row, input, priority: 10 }, trx);
  });
  return jobFields(await findJob(context, { project: row.project, id }));
}

function singleDatabase(
  row: ServiceRow,
  { database, location, target_time: at }: Static<typeof restoreBody>,
): BtarError {
  const time = at == null ? "" : ` --at ${at}`;
  const { dumpOf } = serviceTypes[row.engine];
  return new BtarError("INVALID_INPUT", {
    message: `database ${database} cannot be restored alone: the databases of a server share its log, transactions and users`,
    hint:
      `fork the service, then take the database from the fork: btar fork ${row.name} ${row.name}-fork ` +
      `--cloud ${location}${time} --wait, then ${dumpOf(database ?? "")}`,
  });
}

async function pitrFields(context: ControlPlaneContext, row: ServiceRow) {
  const locations = await recoveryByLocation(context.catalog.db, row.id);
  const primary = locations.find(({ role }) => role === "primary")?.window;
  return {
    primary_region: {
      pitr_range_start: primary?.earliestAt.toISOString() ?? null,
      pitr_range_end: primary?.latestAt.toISOString() ?? null,
    },
    additional_regions: locations.flatMap(({ cloud, role, state, window }) =>
      role === "secondary" && state === "active" && window
        ? [
            {
              cloud,
              region: regionOf(cloud),
              pitr_range_start: window.earliestAt.toISOString(),
              pitr_range_end: window.latestAt.toISOString(),
            },
          ]
        : [],
    ),
  };
}
