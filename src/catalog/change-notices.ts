import type pg from "pg";
import { RepeatedWork } from "../platform/repeated-work.ts";
import type { Catalog } from "./catalog.ts";

/** Tables of which changes are told: migration 0014 says of which columns. */
export type ToldTable =
  | "job"
  | "service"
  | "location"
  | "base_backup"
  | "backup_location"
  | "agent"
  | "cloud_state"
  | "notification_delivery"
  | "notification_destination";

/** @param table undefined: it may have been any of them */
export type ChangeListener = (table: string | undefined) => void;

const channel = "btar_changes";
const greeting = "listening";
const connectAgainMs = 1000;

/**
 * Hears of changes in the catalog, whoever makes them: another server, an agent, or this one. What is told while the
 * connection is lost is not made up for: whoever waits for changes looks from time to time all the same.
 */
export class ChangeNotices {
  readonly #catalog: Pick<Catalog, "client">;
  readonly #hearing: RepeatedWork;
  readonly #listeners = new Set<ChangeListener>();
  #areHeard = false;

  /** @param onFailure told once of each reason why changes cannot be heard; it is tried again */
  constructor(catalog: Pick<Catalog, "client">, onFailure: (reason: string) => void) {
    this.#catalog = catalog;
    this.#hearing = new RepeatedWork((signal) => this.#hear(signal), { everyMs: connectAgainMs, onFailure });
  }

  /** Whether changes are told now. While they are not, whoever waits for them has to look often. */
  get areHeard(): boolean {
    return this.#areHeard;
  }

  /** @param listener is told after each commit that changed something; and once when changes are heard again */
  listen(listener: ChangeListener): void {
    this.#listeners.add(listener);
  }

  /** Goes on in the background until it is stopped. */
  start(): void {
    this.#hearing.start();
  }

  async stop(): Promise<void> {
    await this.#hearing.stop();
  }

  /** Ends when it is stopped. @throws when the connection ends before */
  async #hear(signal: AbortSignal): Promise<void> {
    const client = this.#catalog.client();
    const ended = Promise.withResolvers<void>();
    const end = () => ended.resolve();
    client.on("end", () => ended.reject(new Error("the connection was closed")));
    client.on("error", ended.reject);
    client.on("notification", (notice) => this.#tell(notice));
    signal.addEventListener("abort", end, { once: true });
    try {
      await Promise.all([ended.promise, beginListening(client)]);
    } finally {
      this.#areHeard = false;
      signal.removeEventListener("abort", end);
      await client.end();
    }
  }

  #tell({ payload = "" }: pg.Notification): void {
    const isFirst = !this.#areHeard;
    this.#areHeard = true;
    if (payload === greeting && !isFirst) return; // of another server
    for (const listener of this.#listeners) listener(isFirst ? undefined : payload);
  }
}

async function beginListening(client: pg.Client): Promise<void> {
  await client.connect();
  await client.query(`listen ${channel}`);
  // A pooler in between may take this all and never pass on a notice.
  await client.query("select pg_notify($1, $2)", [channel, greeting]);
}
