import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { fromKysely, PgBoss } from "pg-boss";
import { BtarError, describeError, isBtarError } from "../domain/errors.ts";
import { traced } from "../platform/tracing.ts";
import type { Catalog, CatalogDatabase } from "./catalog.ts";
import { recordEvent } from "./events.ts";
import { JobDisplay } from "./job-display.ts";
import type { JobProgress, JobState } from "./work-tables.ts";

/** Kinds of long work. Each runs at an agent of one cloud, and can be run twice with no harm. */
export const jobKinds = [
  "provision",
  "apply",
  "remove",
  "backup",
  "copy",
  "fork",
  "restore",
  "collect",
  "verify",
  "lost-range",
  "rebuild",
] as const;
export type JobKind = (typeof jobKinds)[number];

/** How many jobs of a kind one agent runs at once. */
const concurrency: Readonly<Record<JobKind, number>> = {
  provision: 2,
  apply: 2,
  remove: 2,
  backup: 1,
  copy: 2,
  fork: 2,
  restore: 1,
  collect: 2,
  verify: 1,
  "lost-range": 1,
  rebuild: 1,
};

export interface JobRequest {
  readonly kind: JobKind;
  readonly cloud: string;
  readonly project: string;
  /** Undefined for what is about none, or about many. */
  readonly service: { readonly id: string; readonly name: string } | undefined;
  readonly input: Readonly<Record<string, unknown>>;
  /** Larger goes first. */
  readonly priority?: number;
}

/** What a job's code is given. */
export interface RunningJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly cloud: string;
  /** Empty for a job that is about no one service. */
  readonly serviceId: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Fires when the job was cancelled, or taken over because this process seemed dead. */
  readonly signal: AbortSignal;
  /** Shows how far it is; written at most once a second. */
  progress(progress: JobProgress): void;
  /** Shows why it waits (a store that does not answer, …); undefined when it goes on. */
  waiting(reason: string | undefined): void;
}

export type JobCode = (job: RunningJob) => Promise<Readonly<Record<string, unknown>>>;

interface QueuedData {
  readonly serviceId: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Their code records what failed: `backup_failed` and so on. */
const kindsThatTell: ReadonlySet<string> = new Set<JobKind>(["backup", "copy", "fork"]);

const retryLimit = 100_000;
/** A job that was cancelled hears of it within seconds, and ends within seconds. */
const longestEndSeconds = 60;

/**
 * Long work, on pg-boss: handed to agents by cloud, with a lease that another agent takes over within seconds when
 * its holder dies, retries with back-off, and cancellation. The `job` table is what people see of it.
 */
export class JobQueue {
  readonly #boss: PgBoss;
  readonly #catalog: Catalog;
  readonly #knownQueues = new Set<string>();

  private constructor(catalog: Catalog, boss: PgBoss) {
    this.#catalog = catalog;
    this.#boss = boss;
  }

  /** Every process looks after workers that have died: a server may be gone, or all agents. */
  static async open(
    catalog: Catalog,
    options: {
      readonly url: string;
      readonly onError: (error: Error) => void;
      /** Somebody traces: jobs carry on the trace of what asked for them. */
      readonly isTraced?: boolean;
      /** How often dead workers are looked for; only those who could take over what they did need to know it soon. */
      readonly superviseEverySeconds?: number;
    },
  ): Promise<JobQueue> {
    const { superviseEverySeconds = 2 } = options;
    const boss = new PgBoss({
      connectionString: options.url,
      max: 3,
      application_name: "btar jobs",
      supervise: true,
      superviseIntervalSeconds: superviseEverySeconds,
      monitorIntervalSeconds: superviseEverySeconds,
      queueCacheIntervalSeconds: Math.max(5, superviseEverySeconds),
      schedule: false,
      useListenNotify: true,
      openTelemetry: { enabled: options.isTraced ?? false, propagateContext: true },
    });
    boss.on("error", options.onError);
    await boss.start();
    return new JobQueue(catalog, boss);
  }

  /**
   * Adds a job. With `db` a transaction, it exists exactly when that commits.
   * @returns the job's id
   */
  async enqueue(request: JobRequest, db: CatalogDatabase = this.#catalog.db): Promise<string> {
    const queue = await this.#queue(request.kind, request.cloud);
    const id = randomUUID();
    await db
      .insertInto("job")
      .values({
        id,
        kind: request.kind,
        project: request.project,
        service_id: request.service?.id ?? null,
        service_name: request.service?.name ?? null,
        cloud: request.cloud,
        state: "queued",
        input: JSON.stringify(request.input),
        created_at: new Date(),
      })
      .execute();
    const data: QueuedData = { serviceId: request.service?.id ?? "", input: request.input };
    await this.#boss.send(queue, data, { id, priority: request.priority ?? 0, db: fromKysely(db) });
    return id;
  }

  /** Runs jobs of a kind for a cloud with `code`, until the queue is closed. */
  async work(kind: JobKind, cloud: string, code: JobCode): Promise<void> {
    const queue = await this.#queue(kind, cloud);
    await this.#boss.work<QueuedData>(
      queue,
      {
        localConcurrency: concurrency[kind],
        pollingIntervalSeconds: 2,
        notifyPollingIntervalSeconds: 5,
        heartbeatRefreshSeconds: 2,
      },
      async ([job]) => {
        if (job) await this.#run(kind, cloud, job, code);
      },
    );
  }

  /** Asks a job to end. One that runs ends within seconds, cleaning up after itself; one that waits ends at once. */
  async cancel(id: string): Promise<void> {
    const job = await this.#catalog.db
      .updateTable("job")
      .set({ is_cancel_requested: true })
      .where("id", "=", id)
      .where("state", "in", openStates)
      .returning(["kind", "cloud", "state"])
      .executeTakeFirst();
    if (!job) return;
    await this.#boss.cancel(queueName(job.kind, job.cloud), id);
    if (job.state !== "running") await this.#finish(id, "cancelled", { trouble: "cancelled before it ran" });
  }

  /**
   * Ends, for people to see, jobs that were cancelled while they ran and whose agent has died since: no other one takes
   * them over, and until they end others would wait for them.
   */
  async endAbandoned(): Promise<void> {
    await sql`
      update job set state = 'cancelled', finished_at = now(), trouble = 'cancelled; its agent did not end it'
      where state = 'running' and is_cancel_requested and exists (
        select from pgboss.job queued where queued.name = job.kind || '.' || job.cloud and queued.id = job.id
          and queued.state = 'cancelled' and queued.completed_on < now() - make_interval(secs => ${longestEndSeconds}))
      `.execute(this.#catalog.db);
  }

  async close(): Promise<void> {
    await this.#boss.stop({ graceful: false, close: true });
  }

  async #queue(kind: JobKind, cloud: string): Promise<string> {
    const name = queueName(kind, cloud);
    if (!this.#knownQueues.has(name)) {
      await this.#boss.createQueue(name, {
        policy: "standard",
        notify: true,
        heartbeatSeconds: 10,
        expireInSeconds: 86_000,
        retentionSeconds: 30 * 86_400,
        deleteAfterSeconds: 86_400,
        retryLimit,
        retryDelay: 2,
        retryBackoff: true,
        retryDelayMax: 60,
      });
      this.#knownQueues.add(name);
    }
    return name;
  }

  async #run(
    kind: JobKind,
    cloud: string,
    queued: {
      readonly id: string;
      readonly data: QueuedData;
      readonly retryCount: number;
      readonly signal: AbortSignal;
    },
    code: JobCode,
  ): Promise<void> {
    const { id } = queued;
    const row = await this.#catalog.db
      .updateTable("job")
      .set((eb) => ({
        state: "running" as const,
        trouble: null,
        attempts: eb("attempts", "+", 1),
        started_at: eb.fn.coalesce("started_at", eb.val(new Date())),
      }))
      .where("id", "=", id)
      .where("state", "in", openStates)
      .returning(["attempts", "is_cancel_requested"])
      .executeTakeFirst();
    if (!row || row.is_cancel_requested) {
      if (row) await this.#finish(id, "cancelled", { trouble: "cancelled before it ran" });
      return;
    }
    const display = new JobDisplay(this.#catalog.db, id);
    const { serviceId, input } = queued.data;
    const about = { "btar.job.id": id, "btar.cloud": cloud, "btar.service.id": serviceId };
    try {
      const result = await traced(`job ${kind}`, { ...about, "btar.job.attempt": row.attempts }, (span) =>
        code({
          ...{ id, kind, cloud, serviceId, input, attempt: row.attempts, signal: queued.signal },
          progress: (progress) => {
            span.reached(progress.phase);
            display.progress(progress);
          },
          waiting: (reason) => {
            span.reached(reason === undefined ? "it goes on" : "it waits");
            display.waiting(reason);
          },
        }),
      );
      await display.close();
      await this.#finish(id, "complete", { result });
    } catch (error) {
      await display.close();
      await this.#settleFailure(id, error, queued.signal);
    }
  }

  /** Cancelled, failed for good, or (by throwing on) to be run again by the queue after a pause. */
  async #settleFailure(id: string, error: unknown, signal: AbortSignal): Promise<void> {
    const trouble = describeError(error);
    const code = error instanceof BtarError ? error.code : "INTERNAL";
    if (signal.aborted || isBtarError(error, "CANCELLED")) {
      const row = await this.#catalog.db
        .selectFrom("job")
        .select("is_cancel_requested")
        .where("id", "=", id)
        .executeTakeFirst();
      if (row?.is_cancel_requested) {
        await this.#finish(id, "cancelled", { trouble: "cancelled" });
        return;
      }
      throw error; // this process stops, or lost its claim: another one goes on
    }
    if (error instanceof BtarError && !error.isRetryable) {
      await this.#fail(id, { trouble, code });
      return;
    }
    await this.#catalog.db
      .updateTable("job")
      .set({ state: "waiting", trouble, error_code: code })
      .where("id", "=", id)
      .where("state", "=", "running")
      .execute();
    throw error;
  }

  /** What fails for good is told, where the job's own code does not say so better. */
  async #fail(id: string, failure: { readonly trouble: string; readonly code: string }): Promise<void> {
    await this.#catalog.db.transaction().execute(async (trx) => {
      const { trouble, code } = failure;
      const row = await trx
        .updateTable("job")
        .set({ state: "failed", finished_at: new Date(), trouble, error_code: code })
        .where("id", "=", id)
        .where("state", "in", openStates)
        .returning(["kind", "cloud", "project", "service_id", "service_name"])
        .executeTakeFirst();
      if (!row || kindsThatTell.has(row.kind)) return;
      const { kind, cloud, project, service_id, service_name: name } = row;
      const service = service_id === null || name === null ? undefined : { id: service_id, name };
      const message = `the job ${kind}${service ? ` of ${service.name}` : ""} in ${cloud} failed: ${trouble}`;
      await recordEvent(trx, { project, service, kind: "job_failed", severity: "error", message });
    });
  }

  async #finish(
    id: string,
    state: JobState,
    outcome: {
      readonly result?: Readonly<Record<string, unknown>>;
      readonly trouble?: string;
      readonly code?: string;
    },
  ): Promise<void> {
    await this.#catalog.db
      .updateTable("job")
      .set({
        state,
        finished_at: new Date(),
        trouble: outcome.trouble ?? null,
        error_code: outcome.code ?? null,
        ...(outcome.result === undefined ? {} : { result: JSON.stringify(outcome.result) }),
      })
      .where("id", "=", id)
      .where("state", "in", openStates)
      .execute();
  }
}

const openStates: readonly JobState[] = ["queued", "running", "waiting"];

function queueName(kind: string, cloud: string): string {
  return `${kind}.${cloud}`;
}
