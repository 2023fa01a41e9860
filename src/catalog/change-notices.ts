import type pg from "pg";
import { pause } from "../platform/pause.ts";
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
  readonly #stop = new AbortController();
  readonly #listeners = new Set<ChangeListener>();
  #loop: Promise<void> = Promise.resolve();
  #areHeard = false;

  constructor(catalog: Pick<Catalog, "client">) {
    this.#catalog = catalog;
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
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // Who else uses the catalog tells that it does not answer.
      await this.#hear().catch(() => undefined);
      this.#areHeard = false;
      await pause(connectAgainMs, signal);
    }
  }

  /** Ends with the connection, or when it is stopped. */
  async #hear(): Promise<void> {
    const { signal } = this.#stop;
    const client = this.#catalog.client();
    const ended = Promise.withResolvers<void>();
    const end = () => ended.resolve();
    client.on("end", end);
    client.on("error", end);
    client.on("notification", (notice) => this.#tell(notice));
    signal.addEventListener("abort", end, { once: true });
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
      // A pooler in between may take this all and never pass on a notice.
      await client.query("select pg_notify($1, $2)", [channel, greeting]);
      await ended.promise;
    } finally {
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
