import type { EngineName } from "../src/domain/engine-name.ts";
import type { City } from "./cities.ts";
import type { Telling } from "./telling.ts";

/** What the shop's writers left behind in a database. */
export interface FoundWrites {
  readonly newestId: number;
  readonly count: number;
  /** As the table beside the writes says. */
  readonly total: number;
  /** Of the newest one, by the clock of the server that took it. */
  readonly newestAt: Date;
}

/** A digest of every row of every table, by table name. */
export type Digests = Readonly<Record<string, string>>;

/** A connection of the shop's application to its database, over TLS. A broken one fails the next call. */
export interface ShopConnection {
  /** The tables `cities`, `writes` and `totals`. */
  createTables(): Promise<void>;
  insertCities(cities: readonly City[]): Promise<void>;
  /** Makes what is looked for in the cities easy to find; gives their number. */
  indexCities(): Promise<number>;
  /**
   * Write number `id`: one transaction over two tables, so that a torn one would show.
   * @returns the server's time
   */
  write(id: number): Promise<Date>;
  /** The server's time, in UTC to the microsecond, as a recovery target is written. */
  now(): Promise<string>;
  digests(): Promise<Digests>;
  foundWrites(): Promise<FoundWrites>;
  end(): Promise<void>;
}

/** What the demonstration needs of an engine. */
export interface ShopDatabase {
  /** Which is the `service_type`, too. */
  readonly engine: EngineName;
  /** Name of the service that the story is about. */
  readonly serviceName: string;
  /** Where a running server leaves its process id, in its service's directory. */
  readonly pidFile: string;
  /** Loads the server's programs when they are missing; without it they come with btar. */
  install?(telling: Telling, signal: AbortSignal): Promise<void>;
  connect(uri: string): Promise<ShopConnection>;
  /** A command line that opens a session, for people. */
  clientCommand(uri: string): string;
}
