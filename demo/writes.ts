import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** The newest write that the service has acknowledged. */
export interface AcknowledgedWrite {
  readonly id: number;
  readonly at: Date;
}

const pauseMs = 4;

/**
 * A stream of timestamped writes that goes on through everything: each is one transaction over two tables, so that a
 * torn one would show.
 */
export class WriteStream {
  readonly #client: pg.Client;
  #last: AcknowledgedWrite | undefined;
  #isStopped = false;
  #failure: unknown;
  #turn: Promise<unknown> = Promise.resolve();
  #loop: Promise<void> = Promise.resolve();

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async start(uri: string): Promise<WriteStream> {
    const client = new pg.Client({ connectionString: withoutSslMode(uri), ssl: { rejectUnauthorized: false } });
    const stream = new WriteStream(client);
    client.on("error", (error) => {
      stream.#failure = error;
    });
    await client.connect();
    await client.query("create table writes (id bigint primary key, at timestamptz not null, note text not null)");
    await client.query("create table totals (writes bigint not null)");
    await client.query("insert into totals values (0)");
    stream.#loop = stream.#run();
    return stream;
  }

  get last(): AcknowledgedWrite | undefined {
    return this.#last;
  }

  /** Why writing ended by itself, if it did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Runs `work` between two writes. */
  async between<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return await this.#inTurn(() => work(this.#client));
  }

  /** Waits until the service no longer takes writes. */
  async ended(): Promise<void> {
    await this.#loop;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
    await this.#client.end();
  }

  async #run(): Promise<void> {
    for (let id = 1; !this.#isStopped; id += 1) {
      try {
        await this.#inTurn(() => this.#write(id));
      } catch (error) {
        this.#failure = error; // expected once the region is lost; before, whoever waits for writes reports it
        return;
      }
      await sleep(pauseMs);
    }
  }

  async #write(id: number): Promise<void> {
    const result = await this.#client.query<{ at: Date }>(
      `with write as (insert into writes values (${id}, clock_timestamp(), 'write ${id}') returning at),
            total as (update totals set writes = writes + 1)
       select at from write`,
    );
    const at = result.rows[0]?.at;
    if (at) this.#last = { id, at };
  }

  /** One after the other: a write is either before or after whatever else uses the connection. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }
}

/** `pg` checks certificates by its own option, not by the URI's. */
export function withoutSslMode(uri: string): string {
  const url = new URL(uri);
  url.searchParams.delete("sslmode");
  return url.toString();
}
