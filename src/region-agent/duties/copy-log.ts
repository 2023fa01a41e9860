import { setTimeout as sleep } from "node:timers/promises";
import { newestLogRange, recordCovered, recordLogPiece, settleMissing } from "../../catalog/log-ranges.ts";
import { copyLogObject, type MissingLogObject, missingLog, orderLogCopies } from "../../copier/copy-log.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { objectNames, parseLogPieceName, historyName } from "../../repository/object-names.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { locationWaiting, setLocationTrouble } from "./location-trouble.ts";

const pollMs = 500;
/** The stores are compared at least this often, in case the catalog missed something. */
const compareEveryMs = 60_000;

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
    await copier.copyMissing();
    await copier.waitForMore();
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

class LogCopier {
  readonly #env: AgentEnvironment;
  readonly #serviceId: string;
  readonly #primary: string;
  readonly #source: ObjectStore;
  readonly #destination: ObjectStore;
  readonly #signal: AbortSignal;
  /** Per stream: all keys up to here are at the destination. */
  readonly #copiedThrough = new Map<string, string>();
  #seen = "";

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
    const where = { serviceId: this.#serviceId, cloud: this.#env.cloud };
    const known = await newestLogRange(this.#env.catalog.db, where);
    const streams = await this.#destination.listFolders(objectNames.log(this.#serviceId), { signal: this.#signal });
    for (const stream of streams) {
      const prefix = objectNames.logStream(this.#serviceId, stream);
      for await (const object of this.#destination.list(prefix, { signal: this.#signal })) {
        const name = object.key.slice(prefix.length);
        const piece = name === historyName ? undefined : parseLogPieceName(name);
        if (!piece || (known?.stream === stream && known.start <= piece.start && piece.end <= known.end)) continue;
        await recordLogPiece(this.#env.catalog.db, { ...where, ...piece, ...object, stream });
      }
    }
  }

  async copyMissing(): Promise<void> {
    const { db } = this.#env.catalog;
    // Taken before the stores are compared: once everything found is copied, the copy covers as much.
    const primary = await newestLogRange(db, { serviceId: this.#serviceId, cloud: this.#primary });
    const missing: MissingLogObject[] = [];
    const found = missingLog({
      source: this.#source,
      destination: this.#destination,
      serviceId: this.#serviceId,
      after: this.#copiedThrough,
      signal: this.#signal,
    });
    for await (const object of found) missing.push(object);
    const ordered = orderLogCopies(missing, await this.#newestBackup());
    for (const [index, object] of ordered.entries()) {
      await this.#copy(object);
      const rest = ordered.slice(index + 1, index + 2)[0];
      if (rest) await settleMissing(db, this.#where, rest.storedAt);
    }
    for (const { stream, key } of missing) this.#copiedThrough.set(stream, key);
    if (primary?.coveredUntil) {
      await recordCovered(db, {
        ...this.#where,
        stream: primary.stream,
        position: primary.end,
        at: primary.coveredUntil,
      });
    }
    await settleMissing(db, this.#where, undefined);
  }

  /** Waits until the catalog says that the primary has more, or it is time to compare the stores anyway. */
  async waitForMore(): Promise<void> {
    const until = Date.now() + compareEveryMs;
    while (Date.now() < until) {
      await sleep(pollMs, undefined, { signal: this.#signal });
      const primary = await newestLogRange(this.#env.catalog.db, { serviceId: this.#serviceId, cloud: this.#primary });
      const seen = primary ? `${primary.stream} ${primary.end}` : "";
      if (seen !== this.#seen) {
        this.#seen = seen;
        return;
      }
      if (primary?.coveredUntil) await this.#coverAsPrimary(primary);
    }
  }

  /** The primary went on without new log: so did this copy, if it holds as much. */
  async #coverAsPrimary(primary: {
    readonly stream: string;
    readonly end: string;
    readonly coveredUntil: Date | null;
  }) {
    if (!primary.coveredUntil) return;
    const { stream, end, coveredUntil } = primary;
    await recordCovered(this.#env.catalog.db, { ...this.#where, stream, position: end, at: coveredUntil });
  }

  get #where() {
    return { serviceId: this.#serviceId, cloud: this.#env.cloud };
  }

  async #copy(object: MissingLogObject): Promise<void> {
    await copyLogObject({
      source: this.#source,
      destination: this.#destination,
      key: object.key,
      signal: this.#signal,
    });
    if (!object.piece) return;
    await recordLogPiece(this.#env.catalog.db, {
      ...this.#where,
      ...object.piece,
      stream: object.stream,
      sizeBytes: object.sizeBytes,
      storedAt: new Date(),
    });
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
