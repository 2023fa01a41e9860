import { setTimeout as sleep } from "node:timers/promises";
import {
  endOfLogFrom,
  newestLogRange,
  recordCovered,
  recordLog,
  retainedSpans,
  settleMissing,
} from "../../catalog/log-ranges.ts";
import {
  copyLogObject,
  type MissingLogObject,
  missingLog,
  missingLogFrom,
  orderLogCopies,
} from "../../copier/copy-log.ts";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { isOutside } from "../../domain/log-retention.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { type LogRun, logRuns } from "../../repository/log-cover.ts";
import { objectNames } from "../../repository/object-names.ts";
import { listLogPieces } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { locationWaiting, setLocationTrouble } from "./location-trouble.ts";
import { TasksInOrder } from "./tasks-in-order.ts";

const pollMs = 500;
/** Listings of a store may be older than what the catalog says of it: then it is asked less and less often. */
const maxPollMs = 5000;
/** Older log is copied in portions, so that new log does not wait for all of it. */
const olderAtATime = 16;
/** The stores are compared at the start, and this often, in case the catalog missed something. */
const compareEveryMs = 3_600_000;
/** How often in a row something may be gone that was listed, because the primary's agent has merged it. */
const mostVanished = 5;

/**
 * Copies the log of a service into this cloud's store, each piece as soon as it is in the primary (C6). Reads the two
 * stores and the catalog, nothing of the service (C1, C3).
 */
export async function copyLog(env: AgentEnvironment, serviceId: string, signal: AbortSignal): Promise<void> {
  const primary = await primaryCloud(env, serviceId);
  const onWaiting = locationWaiting(env, serviceId, env.cloud);
  const copier = new LogCopier(env, {
    serviceId,
    primary,
    source: patientStore(env, primary, onWaiting),
    destination: patientStore(env, env.cloud, onWaiting),
    signal,
  });
  await copier.recordWhatIsThere();
  await setLocationTrouble(env, serviceId, env.cloud, undefined);
  for (;;) {
    await copier.compare();
    await copier.follow(performance.now() + compareEveryMs);
  }
}

async function primaryCloud(env: AgentEnvironment, serviceId: string): Promise<string> {
  const row = await env.catalog.db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", serviceId)
    .where("role", "=", "primary")
    .executeTakeFirst();
  if (row) return row.cloud;
  throw new BtarError("NOT_FOUND", { message: `service ${serviceId} has no primary location` });
}

/** The newest log of a location without a gap, as the catalog knows it. */
type KnownLog = NonNullable<Awaited<ReturnType<typeof newestLogRange>>>;

class LogCopier {
  readonly #env: AgentEnvironment;
  readonly #serviceId: string;
  readonly #primary: string;
  readonly #source: ObjectStore;
  readonly #destination: ObjectStore;
  readonly #signal: AbortSignal;
  /** Up to here the destination holds the log of the primary's newest stream. */
  #position: { readonly stream: string; readonly end: string } | undefined;
  /** Log that only older base backups need, newest first. */
  #older: readonly MissingLogObject[] = [];
  #coveredUntil: Date | undefined;

  constructor(
    env: AgentEnvironment,
    options: {
      readonly serviceId: string;
      readonly primary: string;
      readonly source: ObjectStore;
      readonly destination: ObjectStore;
      readonly signal: AbortSignal;
    },
  ) {
    this.#env = env;
    this.#serviceId = options.serviceId;
    this.#primary = options.primary;
    this.#source = options.source;
    this.#destination = options.destination;
    this.#signal = options.signal;
  }

  /** The catalog may be behind the destination, when an agent died after storing a piece. */
  async recordWhatIsThere(): Promise<void> {
    const streams = await this.#destination.listFolders(objectNames.log(this.#serviceId), { signal: this.#signal });
    for (const stream of streams) {
      const listing = { serviceId: this.#serviceId, stream, signal: this.#signal };
      for await (const run of logRuns(listLogPieces(this.#destination, listing))) await this.#record(stream, run);
    }
  }

  /** Lists both stores, and copies what the destination lacks; older log, which can wait, is left to `follow`. */
  async compare(): Promise<void> {
    for (let vanished = 1; ; vanished += 1) {
      // Taken before the stores are compared: once everything found is copied, the copy covers as much.
      const primary = await this.#knownOf(this.#primary);
      const missing: MissingLogObject[] = [];
      for await (const object of missingLog(this.#request)) missing.push(object);
      const wanted = await this.#notExpired(missing);
      const { first, later } = orderLogCopies(wanted, await this.#newestBackup());
      this.#older = later;
      try {
        await this.#copyAll(first);
        this.#position = primary && (await this.#heldFrom(primary));
        return;
      } catch (error) {
        if (vanished === mostVanished || !isBtarError(error, "OBJECT_MISSING")) throw error;
      }
    }
  }

  /**
   * Copies what the catalog says is new in the primary, and older log in between.
   * @returns when the stores are to be compared: at a time, when another stream has begun, or older log has vanished
   */
  async follow(untilMs: number): Promise<void> {
    for (let waitMs = 0; performance.now() < untilMs; ) {
      await sleep(this.#older.length > 0 ? 0 : waitMs, undefined, { signal: this.#signal });
      const primary = await this.#knownOf(this.#primary);
      if (primary && primary.stream !== this.#position?.stream) return;
      const isCopied = !primary || (await this.#copyNew(primary));
      waitMs = isCopied ? pollMs : Math.min(maxPollMs, pollMs + waitMs * 2);
      if (!(await this.#copyOlder())) return;
    }
  }

  /** @returns whether the destination holds as much as the primary, as far as the catalog knew */
  async #copyNew(primary: KnownLog): Promise<boolean> {
    const { end = "" } = this.#position ?? {};
    if (end < primary.end) {
      const from = { stream: primary.stream, end: end > primary.start ? end : primary.start };
      this.#position = from;
      const missing: MissingLogObject[] = [];
      for await (const object of missingLogFrom(this.#request, from)) missing.push(object);
      const isThere = await this.#copyIfThere(missing);
      if (!isThere || this.#position.end < primary.end) return false;
    }
    await this.#coverAs(primary);
    return true;
  }

  /** @returns false when some of it is gone from the primary: it was merged, or removed */
  async #copyOlder(): Promise<boolean> {
    const next = this.#older.slice(0, olderAtATime);
    this.#older = this.#older.slice(olderAtATime);
    return next.length === 0 || (await this.#copyIfThere(next));
  }

  async #copyIfThere(objects: readonly MissingLogObject[]): Promise<boolean> {
    try {
      await this.#copyAll(objects);
      return true;
    } catch (error) {
      if (isBtarError(error, "OBJECT_MISSING")) return false;
      throw error;
    }
  }

  /** Several at once; each is recorded when all before it are there. */
  async #copyAll(objects: readonly MissingLogObject[]): Promise<void> {
    let done = 0;
    const copies = new TasksInOrder<MissingLogObject>({
      room: this.#env.archivers.uploadRoom,
      deliver: async (copied) => {
        done += copied.length;
        await this.#recordCopied(copied);
        await this.#settle(objects, done);
      },
    });
    try {
      for (const object of objects) await copies.add(() => this.#copy(object));
      await copies.finish();
    } finally {
      await copies.close();
    }
    await this.#settle([], 0);
  }

  /** Tells since when the destination lacks what is left to copy: oldest first or newest first. */
  async #settle(objects: readonly MissingLogObject[], done: number): Promise<void> {
    const ends = done < objects.length ? [objects[done], objects.at(-1)] : [];
    const stored = [...ends, this.#older.at(-1)].flatMap((object) => (object ? [object.storedAt.getTime()] : []));
    const oldest = stored.length > 0 ? new Date(Math.min(...stored)) : undefined;
    await settleMissing(this.#env.catalog.db, this.#where, oldest);
  }

  async #copy(object: MissingLogObject): Promise<MissingLogObject> {
    const { key } = object;
    const pace = this.#env.paces.from(this.#primary, { isUrgent: true });
    await copyLogObject({ source: this.#source, destination: this.#destination, key, signal: this.#signal, pace });
    return object;
  }

  async #recordCopied(copied: readonly MissingLogObject[]): Promise<void> {
    const pieces = copied.flatMap(({ piece }) => (piece ? [{ ...piece, storedAt: new Date() }] : []));
    for (const [stream, ofStream] of Map.groupBy(pieces, (piece) => piece.stream)) {
      const inOrder = ofStream.sort((a, b) => (a.start < b.start ? -1 : 1));
      for await (const run of logRuns(inOrder)) {
        await this.#record(stream, run);
        const at = this.#position;
        const isNext = at?.stream === stream && run.start <= at.end && run.end > at.end;
        if (isNext) this.#position = { stream, end: run.end };
      }
    }
  }

  async #record(stream: string, run: LogRun): Promise<void> {
    const { start, end, newestCommitMicros, sizeBytes, pieceCount, storedAt } = run;
    await recordLog(this.#env.catalog.db, {
      ...this.#where,
      ...{ stream, start, end, newestCommitMicros, sizeBytes, pieceCount, storedAt },
    });
  }

  /** Log that has expired at the destination, while the primary still has it, is not copied there again. */
  async #notExpired(missing: readonly MissingLogObject[]): Promise<readonly MissingLogObject[]> {
    const retained = await retainedSpans(this.#env.catalog.db, this.#where);
    return missing.filter(({ stream, piece }) => {
      const spans = retained.get(stream);
      return !spans || (piece ? !isOutside(piece, spans) : spans.length > 0);
    });
  }

  /** Up to where the destination holds the primary's newest log that it is to have. */
  async #heldFrom({ stream, start }: KnownLog): Promise<{ readonly stream: string; readonly end: string }> {
    const retained = (await retainedSpans(this.#env.catalog.db, this.#where)).get(stream)?.at(-1)?.start ?? "";
    const position = retained > start ? retained : start;
    const end = await endOfLogFrom(this.#env.catalog.db, { ...this.#where, stream, position });
    return { stream, end: end ?? position };
  }

  /** What is covered by the primary's log is covered by this copy, which holds as much. */
  async #coverAs({ stream, end, coveredUntil }: KnownLog): Promise<void> {
    if (!coveredUntil || coveredUntil.getTime() === this.#coveredUntil?.getTime()) return;
    await recordCovered(this.#env.catalog.db, { ...this.#where, stream, position: end, at: coveredUntil });
    this.#coveredUntil = coveredUntil;
  }

  async #knownOf(cloud: string): Promise<KnownLog | undefined> {
    return await newestLogRange(this.#env.catalog.db, { serviceId: this.#serviceId, cloud });
  }

  get #where() {
    return { serviceId: this.#serviceId, cloud: this.#env.cloud };
  }

  get #request() {
    const { serviceId } = this.#where;
    return { source: this.#source, destination: this.#destination, serviceId, signal: this.#signal };
  }

  async #newestBackup(): Promise<{ readonly stream: string; readonly start: string } | undefined> {
    const row = await this.#env.catalog.db
      .selectFrom("base_backup")
      .select(["log_stream", "log_start"])
      .where("service_id", "=", this.#serviceId)
      .where("state", "=", "complete")
      .orderBy("consistent_at", "desc")
      .limit(1)
      .executeTakeFirst();
    return row?.log_stream && row.log_start ? { stream: row.log_stream, start: row.log_start } : undefined;
  }
}
