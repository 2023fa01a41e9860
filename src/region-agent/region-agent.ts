import { hostname } from "node:os";
import type { JobCode, JobKind } from "../catalog/job-queue.ts";
import { releaseStoreUses } from "../catalog/store-use.ts";
import { describeError } from "../domain/errors.ts";
import { BlobWorkers } from "../repository/blob-workers.ts";
import { AgentMeter } from "./agent-meter.ts";
import { CopyPaces } from "./copy-paces.ts";
import { Duties } from "./duties/duties.ts";
import type { AgentEnvironment } from "./environment.ts";
import { runApplyJob } from "./jobs/apply-job.ts";
import { runBackupJob } from "./jobs/backup-job.ts";
import { runCollectJob } from "./jobs/collect-job.ts";
import { runCopyJob } from "./jobs/copy-job.ts";
import { runForkJob } from "./jobs/fork-job.ts";
import { runLostRangeJob } from "./jobs/lost-range-job.ts";
import { runProvisionJob } from "./jobs/provision-job.ts";
import { runRebuildJob } from "./jobs/rebuild-job.ts";
import { runRemoveJob } from "./jobs/remove-job.ts";
import { runRestoreJob } from "./jobs/restore-job.ts";
import { runVerifyJob } from "./jobs/verify-job.ts";
import { LogArchivers } from "./log-archivers.ts";
import { ServerObservation } from "./server-observation.ts";
import { ServiceLocks } from "./service-locks.ts";
import { whileWriting } from "./store-hold.ts";
import { StoreWatch } from "./store-watch.ts";
import { Supervision } from "./supervision.ts";
import { RepeatedWork } from "../platform/repeated-work.ts";

/** Jobs that leave much memory behind: few objects hold it, so that V8 sees no need to collect them. */
const largeJobs: ReadonlySet<JobKind> = new Set<JobKind>(["backup", "restore", "fork", "verify", "lost-range"]);
const restAfterMs = 200;
const heartbeatMs = 3000;

export interface RegionAgentOptions
  extends Omit<AgentEnvironment, "workers" | "archivers" | "locks" | "keyLocks" | "paces"> {
  /** btar's own version. */
  readonly version: string;
  /** Threads that compress and seal; usually as many as cores. */
  readonly workerCount: number;
}

/**
 * Acts for one cloud: runs its managed servers, takes their backups into its store, pulls copies from other stores,
 * and runs forks. It sets no policy; jobs and the catalog say what is wanted.
 */
export class RegionAgent {
  readonly #env: AgentEnvironment;
  readonly #version: string;
  readonly #meter: AgentMeter;
  readonly #duties: Duties;
  readonly #supervision: Supervision;
  readonly #observation: ServerObservation;
  readonly #storeWatch: StoreWatch;
  readonly #heartbeat: RepeatedWork;

  private constructor(options: RegionAgentOptions) {
    const { version, workerCount, ...rest } = options;
    this.#version = version;
    this.#meter = new AgentMeter(rest.stores);
    this.#env = {
      ...rest,
      stores: this.#meter.stores,
      workers: new BlobWorkers(workerCount),
      archivers: new LogArchivers(),
      locks: new ServiceLocks(),
      keyLocks: new ServiceLocks(),
      paces: new CopyPaces(rest.cloud, rest.configuration.limits.bandwidth),
    };
    this.#duties = new Duties(this.#env);
    this.#supervision = new Supervision(this.#env);
    this.#observation = new ServerObservation(this.#env);
    this.#storeWatch = new StoreWatch(this.#env);
    this.#heartbeat = new RepeatedWork(() => this.#sayAlive(), {
      everyMs: heartbeatMs,
      onFailure: (reason) => rest.logger.warn({ reason }, "the catalog does not take the heartbeat"),
    });
  }

  static async start(options: RegionAgentOptions): Promise<RegionAgent> {
    const agent = new RegionAgent(options);
    await agent.#register();
    await agent.#removeLeftovers();
    agent.#heartbeat.start();
    await agent.#storeWatch.start();
    agent.#supervision.start();
    agent.#observation.start();
    agent.#duties.start();
    await agent.#workOnJobs();
    return agent;
  }

  /**
   * Ends jobs and duties; their work is gone on with later.
   * @param options.stopServers whether the managed servers end too; otherwise they go on, and are adopted later
   */
  async stop(options: { readonly stopServers: boolean }): Promise<void> {
    await this.#env.jobs.close();
    await this.#observation.stop();
    await this.#supervision.stop(options);
    // After the servers: what they have written last is still archived.
    await this.#duties.stop();
    await this.#storeWatch.stop();
    await this.#heartbeat.stop();
    await this.#env.workers.close();
    await this.#env.catalog.db.deleteFrom("agent").where("id", "=", this.#env.agentId).execute();
  }

  async #register(): Promise<void> {
    const { agentId, cloud, catalog, engines, paces } = this.#env;
    const versions = await Promise.all(
      engines.names.map(async (name) => {
        const installations = await engines.of(name).server.installations();
        return [name, installations.map(({ majorVersion }) => majorVersion)] as const;
      }),
    );
    const values = {
      cloud,
      host: hostname(),
      pid: process.pid,
      version: this.#version,
      engines: JSON.stringify(Object.fromEntries(versions)),
      started_at: new Date(),
      seen_at: new Date(),
    };
    await catalog.db
      .insertInto("agent")
      .values({ id: agentId, ...values })
      .onConflict((conflict) => conflict.column("id").doUpdateSet(values))
      .execute();
    // What an earlier process of this agent was doing there has ended with it.
    await releaseStoreUses(catalog.db, agentId);
    await paces.shareWithLiving(catalog.db);
  }

  async #removeLeftovers(): Promise<void> {
    const { engines, logger } = this.#env;
    for (const name of engines.names) {
      await engines
        .of(name)
        .source.removeLeftovers()
        .catch((error: unknown) => {
          // They take room and memory, but are in nobody's way.
          logger.warn({ engine: name, reason: describeError(error) }, "leftovers of base backups cannot be removed");
        });
    }
  }

  async #sayAlive(): Promise<void> {
    const { catalog, agentId, paces } = this.#env;
    const figures = JSON.stringify(this.#meter.figures());
    await catalog.db.updateTable("agent").set({ seen_at: new Date(), figures }).where("id", "=", agentId).execute();
    await paces.shareWithLiving(catalog.db);
  }

  async #workOnJobs(): Promise<void> {
    const code: Readonly<Record<JobKind, (env: AgentEnvironment, job: Parameters<JobCode>[0]) => ReturnType<JobCode>>> =
      {
        provision: runProvisionJob,
        apply: runApplyJob,
        remove: runRemoveJob,
        backup: (env, job) => whileWriting(env, job, (held) => runBackupJob(env, held)),
        copy: (env, job) => whileWriting(env, job, (held) => runCopyJob(env, held)),
        fork: runForkJob,
        restore: runRestoreJob,
        collect: runCollectJob,
        verify: runVerifyJob,
        "lost-range": runLostRangeJob,
        rebuild: runRebuildJob,
      };
    for (const [kind, run] of Object.entries(code) as [JobKind, (typeof code)[JobKind]][]) {
      const isLarge = largeJobs.has(kind);
      await this.#env.jobs.work(kind, this.#env.cloud, (job) =>
        run(this.#env, job).finally(() => {
          if (isLarge) this.#restSoon();
        }),
      );
    }
  }

  /** When the job has been told as ended. */
  #restSoon(): void {
    const { workers, logger } = this.#env;
    setTimeout(() => {
      workers
        .rest()
        .catch((error: unknown) => logger.warn({ reason: describeError(error) }, "a worker thread does not rest"));
    }, restAfterMs).unref();
  }
}
