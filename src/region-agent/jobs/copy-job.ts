import { sql } from "kysely";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { settleMissing } from "../../catalog/log-ranges.ts";
import type { BackupLocationState } from "../../catalog/backup-tables.ts";
import { addBackupBytes } from "../../catalog/store-figures.ts";
import { recordVerifiedUntil } from "../../catalog/verification.ts";
import { copyBaseBackup } from "../../copier/copy-base-backup.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { loadService } from "../service-context.ts";
import { textInput } from "./job-input.ts";
import { waitUntil } from "./wait-until.ts";

const progressEveryMs = 1000;

/**
 * Copies a base backup of the primary into this cloud's store (C1-C5). It needs the two stores only. Run twice, it
 * sends nothing that is there already.
 */
export async function runCopyJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const backupId = textInput(job, "backupId");
  const primary = await primaryOf(env, backupId);
  if (!primary) return { skipped: `backup ${backupId} is gone from the primary` };
  if (!(await isWanted(env, backupId))) return { skipped: `backup ${backupId} is not wanted in ${env.cloud} now` };
  const display = new CopyDisplay(env, backupId);
  await display.show({ state: "copying", trouble: null, started_at: new Date() });
  const onWaiting = (reason: string | undefined) => {
    job.waiting(reason);
    display.later({ trouble: reason ?? null });
  };
  let sentBytes = 0;
  try {
    const result = await copyBaseBackup({
      source: patientStore(env, primary, onWaiting),
      destination: patientStore(env, env.cloud, onWaiting),
      serviceId: job.serviceId,
      backupId,
      masterKey: env.masterKey,
      signal: job.signal,
      pace: env.paces.from(primary, { isUrgent: false }),
      onProgress: ({ doneBytes, totalBytes, sentBytes: sent }) => {
        sentBytes = sent;
        job.progress({ phase: "copying packs", done: doneBytes, total: totalBytes, unit: "bytes" });
        display.later({ done_bytes: doneBytes, total_bytes: totalBytes, sent_bytes: sent });
      },
    });
    await display.close();
    await waitForLog(env, job, backupId);
    await recordComplete(env, job, { backupId, ...result });
    return { backupId, sentBytes: result.sentBytes, totalBytes: result.totalBytes };
  } catch (error) {
    await display.close();
    await addBackupBytes(env.catalog.db, { serviceId: job.serviceId, cloud: env.cloud, bytes: sentBytes });
    const isFinal = error instanceof BtarError && !error.isRetryable && !job.signal.aborted;
    const trouble = job.signal.aborted ? null : describeError(error); // who has ended it knows why
    await display.show({ trouble, state: isFinal ? "failed" : "waiting" });
    if (isFinal) await recordFailure(env, job, { backupId, error });
    throw error;
  }
}

async function primaryOf(env: AgentEnvironment, backupId: string): Promise<string | undefined> {
  const row = await env.catalog.db
    .selectFrom("backup_location")
    .select("cloud")
    .where("backup_id", "=", backupId)
    .where("role", "=", "primary")
    .where("state", "=", "complete")
    .executeTakeFirst();
  return row?.cloud;
}

async function isWanted(env: AgentEnvironment, backupId: string): Promise<boolean> {
  const row = await env.catalog.db
    .selectFrom("backup_location as copy")
    .innerJoin("location", (join) =>
      join.onRef("location.service_id", "=", "copy.service_id").onRef("location.cloud", "=", "copy.cloud"),
    )
    .select(["copy.state", "location.state as location_state", "location.is_paused"])
    .where("copy.backup_id", "=", backupId)
    .where("copy.cloud", "=", env.cloud)
    .executeTakeFirst();
  if (!row || deletedStates.includes(row.state)) return false;
  return row.location_state === "active" && !row.is_paused;
}

const deletedStates: readonly BackupLocationState[] = ["deleting", "deleted"];

/** A copy is complete once it can be restored: with the log that makes its files consistent, which the duty copies. */
async function waitForLog(env: AgentEnvironment, job: RunningJob, backupId: string): Promise<void> {
  job.progress({ phase: "waiting for the log that completes it" });
  await waitUntil({ signal: job.signal, everyMs: 200 }, async () => {
    const covering = await env.catalog.db
      .selectFrom("log_range")
      .innerJoin("base_backup", (join) =>
        join
          .onRef("base_backup.service_id", "=", "log_range.service_id")
          .onRef("base_backup.log_stream", "=", "log_range.stream")
          .onRef("log_range.start_position", "<=", "base_backup.log_start")
          .onRef("log_range.end_position", ">=", "base_backup.log_end"),
      )
      .select("log_range.cloud")
      .where("base_backup.id", "=", backupId)
      .where("log_range.cloud", "=", env.cloud)
      .executeTakeFirst();
    return covering !== undefined;
  });
}

async function recordComplete(
  env: AgentEnvironment,
  job: RunningJob,
  result: {
    readonly backupId: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
    readonly sentBytes: number;
  },
): Promise<void> {
  const { row } = await loadService(env, job.serviceId);
  await env.catalog.db.transaction().execute(async (trx) => {
    const completed = await trx
      .updateTable("backup_location")
      .set({
        state: "complete",
        trouble: null,
        done_bytes: result.doneBytes,
        total_bytes: result.totalBytes,
        sent_bytes: result.sentBytes,
        completed_at: sql`clock_timestamp()`, // by the clock of those who look for what is new
      })
      .where("backup_id", "=", result.backupId)
      .where("cloud", "=", env.cloud)
      .where("state", "not in", deletedStates)
      .returning("backup_id")
      .executeTakeFirst();
    if (!completed) return; // it was deleted meanwhile: the next collection removes it
    await addBackupBytes(trx, { serviceId: job.serviceId, cloud: env.cloud, bytes: result.sentBytes });
    // Each pack and each piece of log was verified here when it arrived (C4, C6).
    await recordVerifiedUntil(trx, { serviceId: job.serviceId, cloud: env.cloud });
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: "copy_complete",
      severity: "info",
      message: `base backup ${result.backupId} of ${row.name} is complete in ${env.cloud}`,
    });
  });
  await settleMissing(env.catalog.db, { serviceId: job.serviceId, cloud: env.cloud }, undefined);
}

async function recordFailure(
  env: AgentEnvironment,
  job: RunningJob,
  failure: { readonly backupId: string; readonly error: unknown },
): Promise<void> {
  const { row } = await loadService(env, job.serviceId);
  await recordEvent(env.catalog.db, {
    project: row.project,
    service: row,
    kind: "copy_failed",
    severity: "error",
    message: `base backup ${failure.backupId} of ${row.name} cannot be copied to ${env.cloud}: ${describeError(failure.error)}`,
  });
}

interface Shown {
  readonly state?: BackupLocationState;
  readonly trouble?: string | null;
  readonly started_at?: Date;
  readonly done_bytes?: number;
  readonly total_bytes?: number;
  readonly sent_bytes?: number;
}

/** Shows the copy's progress at the backup (L3), at most once a second. */
class CopyDisplay {
  readonly #env: AgentEnvironment;
  readonly #backupId: string;
  #waiting: Shown = {};
  #shownAtMs = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(env: AgentEnvironment, backupId: string) {
    this.#env = env;
    this.#backupId = backupId;
  }

  later(values: Shown): void {
    this.#waiting = { ...this.#waiting, ...values };
    if (Date.now() - this.#shownAtMs < progressEveryMs && values.trouble === undefined) return;
    this.#shownAtMs = Date.now();
    const now = this.#waiting;
    this.#waiting = {};
    this.#writing = this.#writing
      .then(() => this.show(now))
      .catch((error: unknown) => this.#env.logger.warn({ reason: describeError(error) }, "progress cannot be shown"));
  }

  async show(values: Shown): Promise<void> {
    await this.#env.catalog.db
      .updateTable("backup_location")
      .set(values)
      .where("backup_id", "=", this.#backupId)
      .where("cloud", "=", this.#env.cloud)
      .where("state", "not in", ["complete", ...deletedStates])
      .execute();
  }

  async close(): Promise<void> {
    await this.#writing;
  }
}
