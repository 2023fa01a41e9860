import { sql } from "kysely";
import { expireAudit } from "../../catalog/audit.ts";
import type { ChangeNotices } from "../../catalog/change-notices.ts";
import { removeOldDeliveries } from "../../catalog/notification-deliveries.ts";
import { describeError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { thinServerMetrics } from "../servers/server-metrics.ts";
import { retireReplacedLocations } from "../locations/retire-locations.ts";
import { agentSilenceMs } from "../status/cloud-states.ts";
import { sampleLag, thinSamples } from "./lag-samples.ts";
import { scheduleBackups } from "./schedule-backups.ts";
import { CollectionSchedule } from "./schedule-collections.ts";
import { scheduleCopies } from "./schedule-copies.ts";
import { scheduleLostRanges } from "./schedule-lost-ranges.ts";
import { ScheduledTask, type Task } from "./scheduled-task.ts";
import { scheduleVerifications } from "./schedule-verifications.ts";
import { settleEndedJobs } from "./settle-ended-jobs.ts";
import { sampleStores, thinStoreSamples } from "./store-samples.ts";
import { tellTroubles } from "./tell-troubles.ts";
import { watchCertificate } from "./watch-certificate.ts";
import { watchClouds } from "./watch-clouds.ts";
import { pause } from "../../platform/pause.ts";

const tickMs = 1000;
const sampleEveryMs = 30_000;
const sampleStoresEveryMs = 60_000;
const cleanEveryMs = 3_600_000;
const collectEveryMs = 3_600_000;
const verifyEveryMs = 5000;
const backUpEveryMs = 2000;
const troublesEveryMs = 15_000;
const lostRangesEveryMs = 5000;

/** What waits for changes in the catalog looks so often in any case: one may not have been heard of. */
const lookAnywayMs = 60_000;
const lookAtCloudsMs = 5000;

/** Expired tokens are kept for a while, so that who still uses one is told that it has expired. */
const expiredTokenDays = 7;
const deliveryLogDays = 30;
const dayMs = 86_400_000;

/** Of all servers one schedules at a time; the number is btar's own, for `pg_try_advisory_xact_lock`. */
const schedulerLock = 4_201_971;

/** Does what is due: asks for backups and copies, watches clouds and lag, and tidies up. */
export class Scheduler {
  readonly #context: ControlPlaneContext;
  readonly #tasks: readonly ScheduledTask[];
  readonly #notices: ChangeNotices | undefined;
  readonly #stop = new AbortController();
  readonly #startedAtMs: number;
  #loop: Promise<void> = Promise.resolve();

  /** @param notices with them, it looks when something has changed; without, each second */
  constructor(context: ControlPlaneContext, notices?: ChangeNotices) {
    this.#context = context;
    this.#notices = notices;
    this.#startedAtMs = context.clock.now().getTime();
    this.#tasks = this.#tasksOf(new CollectionSchedule(context)).map((task) => new ScheduledTask(task));
    notices?.listen((table) => {
      for (const task of this.#tasks) task.noteChange(table);
    });
  }

  #tasksOf(collections: CollectionSchedule): readonly Task[] {
    const context = this.#context;
    const afterJobs = { tables: ["job", "service", "base_backup"], anywayMs: lookAnywayMs } as const;
    const afterCopies = {
      tables: [...afterJobs.tables, "location", "backup_location"],
      anywayMs: lookAnywayMs,
    } as const;
    const ofClouds = { tables: ["agent", "cloud_state"], anywayMs: lookAtCloudsMs } as const;
    return [
      { name: "settle ended jobs", everyMs: 0, after: afterJobs, run: () => settleEndedJobs(context) },
      { name: "schedule backups", everyMs: backUpEveryMs, after: afterJobs, run: () => scheduleBackups(context) },
      { name: "schedule copies", everyMs: 0, after: afterCopies, run: () => scheduleCopies(context) },
      { name: "retire locations", everyMs: 0, after: afterCopies, run: () => retireReplacedLocations(context) },
      { name: "collect after changes", everyMs: 0, after: afterCopies, run: () => collections.collectAfterChanges() },
      { name: "collect what has expired", everyMs: collectEveryMs, run: () => collections.collectExpired() },
      { name: "schedule verifications", everyMs: verifyEveryMs, run: () => scheduleVerifications(context) },
      { name: "look at what lost clouds hold", everyMs: lostRangesEveryMs, run: () => scheduleLostRanges(context) },
      {
        ...{ name: "watch clouds", everyMs: 0, after: ofClouds },
        run: () => watchClouds(context, { isStarting: this.#isStarting() }),
      },
      { name: "tell troubles", everyMs: troublesEveryMs, run: () => tellTroubles(context) },
      { name: "watch the certificate", everyMs: cleanEveryMs, run: () => watchCertificate(context) },
      { name: "sample lag", everyMs: sampleEveryMs, run: () => sampleLag(context) },
      { name: "sample stores", everyMs: sampleStoresEveryMs, run: () => sampleStores(context) },
      { name: "thin samples of stores", everyMs: cleanEveryMs, run: () => thinStoreSamples(context) },
      { name: "thin samples", everyMs: cleanEveryMs, run: () => thinSamples(context) },
      { name: "thin metrics", everyMs: cleanEveryMs, run: () => thinServerMetrics(context) },
      { name: "remove old deliveries", everyMs: cleanEveryMs, run: () => removeEndedDeliveries(context) },
      { name: "expire the audit log", everyMs: cleanEveryMs, run: () => expireOldAudit(context) },
      { name: "remove expired tokens", everyMs: cleanEveryMs, run: () => removeExpiredTokens(context) },
    ];
  }

  /** Goes on in the background until it is stopped. */
  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** Does what is due now, unless another server does so at this moment. A task that fails does not keep the others. */
  async runOnce(): Promise<void> {
    if (!this.#tasks.some((task) => this.#isDue(task))) return;
    // The lock ends with the transaction, so that a server that dies does not keep it.
    await this.#context.catalog.db.transaction().execute(async (trx) => {
      const lock = await sql<{ held: boolean }>`select pg_try_advisory_xact_lock(${schedulerLock}) as held`.execute(
        trx,
      );
      if (!lock.rows[0]?.held) return;
      for (const task of this.#tasks) {
        if (this.#stop.signal.aborted || !this.#isDue(task)) continue;
        await task.run(this.#context.clock).catch((error: unknown) => this.#report(task.name, error));
      }
    });
  }

  #isDue(task: ScheduledTask): boolean {
    const areChangesTold = this.#notices?.areHeard ?? false;
    return task.isDue({ nowMs: this.#context.clock.now().getTime(), areChangesTold });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.runOnce().catch((error: unknown) => this.#report("use the catalog", error));
      await pause(tickMs, signal, this.#context.clock);
    }
  }

  #isStarting(): boolean {
    return this.#context.clock.now().getTime() - this.#startedAtMs < agentSilenceMs;
  }

  #report(task: string, error: unknown): void {
    this.#context.logger.warn({ task, reason: describeError(error) }, "the scheduler could not do a task");
  }
}

async function removeEndedDeliveries({ catalog, clock }: ControlPlaneContext): Promise<void> {
  await removeOldDeliveries(catalog.db, new Date(clock.now().getTime() - deliveryLogDays * dayMs));
}

async function expireOldAudit({ catalog, clock, configuration }: ControlPlaneContext): Promise<void> {
  const { retentionDays } = configuration.audit;
  await expireAudit(catalog.db, new Date(clock.now().getTime() - retentionDays * dayMs));
}

async function removeExpiredTokens({ catalog, clock }: ControlPlaneContext): Promise<void> {
  const before = new Date(clock.now().getTime() - expiredTokenDays * dayMs);
  await catalog.db.deleteFrom("access_token").where("expires_at", "<", before).execute();
}
