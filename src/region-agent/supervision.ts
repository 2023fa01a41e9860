import { recordEvent } from "../catalog/events.ts";
import type { EngineName } from "../domain/engine-name.ts";
import { describeError } from "../domain/errors.ts";
import type { EventKind } from "../domain/event-kinds.ts";
import type { AgentEnvironment } from "./environment.ts";
import { loadService, serverDirectory, type ServiceContext, specOf } from "./service-context.ts";
import { RepeatedWork } from "../platform/repeated-work.ts";

const everyMs = 2000;
const maxPauseMs = 30_000;

interface SupervisedService {
  readonly id: string;
  readonly engine: EngineName;
}

/** Keeps the managed servers of this host running: adopts the ones that run, starts the ones that do not. */
export class Supervision {
  readonly #env: AgentEnvironment;
  readonly #work: RepeatedWork;
  /** Servers seen running by this process; one that is found stopped later has crashed. */
  readonly #seenRunning = new Set<string>();
  readonly #failures = new Map<string, { readonly count: number; readonly retryAtMs: number }>();

  constructor(env: AgentEnvironment) {
    this.#env = env;
    this.#work = new RepeatedWork(() => this.#ensureAllRun(), {
      everyMs,
      onFailure: (reason) => env.logger.warn({ reason }, "servers cannot be compared with the catalog"),
    });
  }

  start(): void {
    this.#work.start();
  }

  /** @param options.stopServers whether the servers end too, or go on and are adopted later */
  async stop(options: { readonly stopServers: boolean }): Promise<void> {
    await this.#work.stop();
    if (!options.stopServers) return;
    // Also those of services that are being made: work that was broken off may have left theirs running.
    const services = await this.#hosted().execute();
    await Promise.all(
      services.map(({ id, engine }) =>
        this.#env.locks.run(id, () => this.#env.engines.of(engine).server.stop(serverDirectory(this.#env, id))),
      ),
    );
  }

  async #ensureAllRun(): Promise<void> {
    for (const service of await this.#services()) {
      if (!this.#env.locks.isBusy(service.id)) await this.#ensureRunning(service);
    }
  }

  #hosted() {
    return this.#env.catalog.db
      .selectFrom("service")
      .select(["id", "engine"])
      .where("agent_id", "=", this.#env.agentId)
      .where("kind", "=", "managed");
  }

  async #services(): Promise<readonly SupervisedService[]> {
    return await this.#hosted()
      .where("is_powered", "=", true)
      .where("state", "in", ["RUNNING", "REBALANCING"])
      .where("deleted_at", "is", null)
      .execute();
  }

  async #ensureRunning({ id, engine }: SupervisedService): Promise<void> {
    const failure = this.#failures.get(id);
    if (failure && Date.now() < failure.retryAtMs) return;
    await this.#env.locks.run(id, async () => {
      const directory = serverDirectory(this.#env, id);
      const { server } = this.#env.engines.of(engine);
      if ((await server.status(directory)).state === "running") {
        this.#seenRunning.add(id);
        return;
      }
      const service = await loadService(this.#env, id);
      try {
        if (this.#seenRunning.delete(id))
          await this.#report(service, "service_crashed", "stopped by itself and is started again");
        await server.start(directory, specOf(this.#env, service), { signal: this.#work.signal });
        this.#failures.delete(id);
        this.#seenRunning.add(id);
        await this.#trouble(id, null);
      } catch (error) {
        if (this.#work.signal.aborted) return;
        const count = (failure?.count ?? 0) + 1;
        this.#failures.set(id, { count, retryAtMs: Date.now() + Math.min(maxPauseMs, 1000 * 2 ** count) });
        await this.#trouble(id, describeError(error));
        this.#env.logger.error({ service: service.row.name, reason: describeError(error) }, "a server does not start");
      }
    });
  }

  async #report({ row }: ServiceContext, kind: EventKind, what: string): Promise<void> {
    await recordEvent(this.#env.catalog.db, {
      project: row.project,
      service: row,
      kind,
      severity: "error",
      message: `the server of ${row.name} ${what}`,
    });
  }

  async #trouble(id: string, trouble: string | null): Promise<void> {
    await this.#env.catalog.db.updateTable("service").set({ trouble }).where("id", "=", id).execute();
  }
}
