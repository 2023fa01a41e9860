import { setTimeout as sleep } from "node:timers/promises";
import { newestLogRange } from "../../catalog/log-ranges.ts";
import { addGoneBytes } from "../../catalog/store-figures.ts";
import { describeError, isBtarError } from "../../domain/errors.ts";
import { mergeLog } from "../../repository/log-merge.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { repositoryForReading } from "../service-context.ts";

const everyMs = 60_000;
/** Far longer than a listing may be old. Whoever reads by an older one all the same lists again. */
const graceMs = 600_000;

/**
 * Keeps the number of log objects of a service in this cloud's store low: what has gathered there becomes fewer, larger
 * pieces. Each store is merged by itself, whether it is the primary or not, so that nothing is sent twice.
 */
export async function mergeLogs(env: AgentEnvironment, serviceId: string, signal: AbortSignal): Promise<void> {
  const merging = new LogMerging(env, serviceId, signal);
  for (;;) {
    await merging.round();
    await sleep(everyMs, undefined, { signal });
  }
}

class LogMerging {
  readonly #env: AgentEnvironment;
  readonly #serviceId: string;
  readonly #signal: AbortSignal;
  /** Where the next round begins, by stream; those without one have not been looked at. */
  readonly #next = new Map<string, string | undefined>();
  #repository: Repository | undefined;
  #seen = "";
  #hasMore = true;

  constructor(env: AgentEnvironment, serviceId: string, signal: AbortSignal) {
    this.#env = env;
    this.#serviceId = serviceId;
    this.#signal = signal;
  }

  /** Nothing is asked of the store when no log has come, and nothing was left to do. */
  async round(): Promise<void> {
    const where = { serviceId: this.#serviceId, cloud: this.#env.cloud };
    const newest = await newestLogRange(this.#env.catalog.db, where);
    if (!newest) return;
    const seen = `${newest.stream} ${newest.end}`;
    if (seen === this.#seen && !this.#hasMore) return;
    this.#repository ??= await this.#openRepository();
    if (!this.#repository) return;
    this.#hasMore = false;
    for (const stream of await this.#repository.logStreams({ signal: this.#signal })) {
      const isEnded = stream !== newest.stream;
      // A stream that got no more log since it was looked at is done with.
      if (isEnded && this.#next.has(stream) && this.#next.get(stream) === undefined) continue;
      await this.#mergeStream(this.#repository, stream, isEnded);
    }
    this.#seen = seen;
  }

  async #mergeStream(repository: Repository, stream: string, isEnded: boolean): Promise<void> {
    const result = await mergeLog(repository, {
      stream,
      from: this.#next.get(stream),
      isEnded,
      graceMs,
      now: new Date(),
      signal: this.#signal,
    });
    this.#hasMore ||= result.hasMore;
    this.#next.set(stream, isEnded && !result.hasMore ? undefined : result.next);
    const { mergedPieces, removedPieces, savedBytes, damage } = result;
    const place = { serviceId: this.#serviceId, cloud: this.#env.cloud };
    await addGoneBytes(this.#env.catalog.db, { ...place, logBytes: savedBytes, packBytes: 0 });
    const service = { serviceId: this.#serviceId, stream };
    for (const error of damage) {
      this.#env.logger.warn({ ...service, reason: describeError(error) }, "log that is damaged was not merged");
    }
    if (mergedPieces + removedPieces > 0) {
      this.#env.logger.info({ ...service, mergedPieces, removedPieces }, "log was merged");
    }
  }

  /** The service's key comes with the first base backup that is copied; before it nothing can be merged. */
  async #openRepository(): Promise<Repository | undefined> {
    // What the store's state means for the service is shown by the duties that store its log.
    const store = patientStore(this.#env, this.#env.cloud, () => undefined);
    try {
      return await repositoryForReading(this.#env, this.#serviceId, store, this.#signal);
    } catch (error) {
      if (isBtarError(error, "NO_BACKUP")) return undefined;
      throw error;
    }
  }
}
