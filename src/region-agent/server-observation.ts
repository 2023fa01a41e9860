import type { Selectable } from "kysely";
import type { ServiceTable } from "../catalog/schema.ts";
import { appendServerLog, type LogReadingPlace, logReadingPlace } from "../catalog/server-log.ts";
import { insertMetricSamples } from "../catalog/metric-samples.ts";
import { describeError } from "../domain/errors.ts";
import type { AgentEnvironment } from "./environment.ts";
import { ServerMeter } from "./server-meter.ts";
import { serverDirectory } from "./service-context.ts";
import { RepeatedWork } from "../platform/repeated-work.ts";

const logEveryMs = 5000;
const measureEveryMs = 30_000;

/** What observing a service needs to know of it. */
export type ObservedService = Pick<
  Selectable<ServiceTable>,
  "id" | "name" | "engine" | "plan" | "disk_space_mb" | "state"
>;

/** Tells the catalog what the managed servers of this host say in their logs, and what they need. */
export class ServerObservation {
  readonly #env: AgentEnvironment;
  readonly #meter: ServerMeter;
  readonly #work: RepeatedWork;
  readonly #places = new Map<string, LogReadingPlace>();
  #measuredAtMs = Number.NEGATIVE_INFINITY;

  constructor(env: AgentEnvironment) {
    this.#env = env;
    this.#meter = new ServerMeter(env);
    this.#work = new RepeatedWork(() => this.#observe(), {
      everyMs: logEveryMs,
      onFailure: (reason) => env.logger.warn({ reason }, "servers cannot be observed"),
    });
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  async #observe(): Promise<void> {
    const services = await this.#services();
    const ids = new Set(services.map(({ id }) => id));
    for (const id of this.#places.keys()) if (!ids.has(id)) this.#places.delete(id);
    for (const service of services) await this.#storeLog(service);
    const running = services.filter(({ state }) => state === "RUNNING" || state === "REBALANCING");
    const isDue = Date.now() - this.#measuredAtMs >= measureEveryMs;
    // A new one at once: rates are known from the second time on.
    if (!isDue && running.every(({ id }) => this.#meter.knows(id))) return;
    if (isDue) this.#measuredAtMs = Date.now();
    await insertMetricSamples(this.#env.catalog.db, await this.#meter.measure(running));
  }

  async #services(): Promise<readonly ObservedService[]> {
    return await this.#env.catalog.db
      .selectFrom("service")
      .select(["id", "name", "engine", "plan", "disk_space_mb", "state"])
      .where("agent_id", "=", this.#env.agentId)
      .where("kind", "=", "managed")
      .where("deleted_at", "is", null)
      .execute();
  }

  /** One server's log that cannot be read does not keep the others from being observed. */
  async #storeLog({ id, name, engine }: ObservedService): Promise<void> {
    const { catalog, engines, logger, masterKey } = this.#env;
    try {
      const from = this.#places.get(id) ?? (await logReadingPlace(catalog.db, id));
      this.#places.set(id, from);
      const { lines, offset } = await engines.of(engine).server.newLog(serverDirectory(this.#env, id), from.fileOffset);
      if (lines.length === 0) return;
      const read = { serviceId: id, from, lines, fileOffset: offset };
      this.#places.set(id, await appendServerLog(catalog.db, masterKey, read));
    } catch (error) {
      // Whoever else may have stored some: where reading goes on is asked again.
      this.#places.delete(id);
      logger.warn({ service: name, reason: describeError(error) }, "a server's log cannot be stored");
    }
  }
}
