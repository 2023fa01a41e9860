import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../test/support/api-client.ts";
import type { ShopConnection } from "./shop-database.ts";

/** The newest write that the service has acknowledged. */
export interface AcknowledgedWrite {
  readonly id: number;
  readonly at: Date;
}

const pauseMs = 4;

/** A stream of timestamped writes that goes on through everything. */
export class WriteStream {
  readonly #connection: ShopConnection;
  #last: AcknowledgedWrite | undefined;
  #isStopped = false;
  #failure: unknown;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #loop: Promise<void>;

  /** Begins to write. The connection is this stream's own from now on. */
  constructor(connection: ShopConnection) {
    this.#connection = connection;
    this.#loop = this.#run();
  }

  get last(): AcknowledgedWrite | undefined {
    return this.#last;
  }

  /** Waits until so many more are acknowledged. */
  async more(count: number): Promise<void> {
    const until = (this.#last?.id ?? 0) + count;
    await eventually(`write ${until}`, async () => {
      if (this.#failure !== undefined) throw this.#failure;
      return (this.#last?.id ?? 0) >= until ? true : undefined;
    });
  }

  /** Runs `work` between two writes. */
  async between<T>(work: (connection: ShopConnection) => Promise<T>): Promise<T> {
    return await this.#inTurn(() => work(this.#connection));
  }

  /** Waits until the service no longer takes writes. */
  async ended(): Promise<void> {
    await this.#loop;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
    // What the region's loss has broken cannot be ended cleanly.
    if (this.#failure === undefined) await this.#connection.end();
  }

  async #run(): Promise<void> {
    for (let id = 1; !this.#isStopped; id += 1) {
      try {
        const at = await this.#inTurn(() => this.#connection.write(id));
        this.#last = { id, at };
      } catch (error) {
        this.#failure = error; // expected once the region is lost; before, whoever waits for writes reports it
        return;
      }
      await sleep(pauseMs);
    }
  }

  /** One after the other: a write is either before or after whatever else uses the connection. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }
}
