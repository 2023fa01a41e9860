import { describeError } from "../domain/errors.ts";
import { type AgentEnvironment, storeOf } from "./environment.ts";
import { RepeatedWork } from "../platform/repeated-work.ts";

const everyMs = 3000;
const timeoutMs = 10_000;

/** Finds out whether this cloud's store can be used, and shows it (R1). Sets the store up when it is used first. */
export class StoreWatch {
  readonly #env: AgentEnvironment;
  readonly #looks: RepeatedWork;

  constructor(env: AgentEnvironment) {
    this.#env = env;
    this.#looks = new RepeatedWork(() => this.#look(), {
      everyMs,
      onFailure: (reason) => env.logger.warn({ reason }, "the store's state cannot be recorded"),
    });
  }

  /** Looks once, then goes on looking. */
  async start(): Promise<void> {
    await this.#look();
    this.#looks.start();
  }

  async stop(): Promise<void> {
    await this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { cloud, catalog } = this.#env;
    const known = await catalog.db.selectFrom("cloud_state").selectAll().where("cloud", "=", cloud).executeTakeFirst();
    const signal = AbortSignal.any([this.#looks.signal, AbortSignal.timeout(timeoutMs)]);
    let trouble: string | null = null;
    try {
      // Only a store that was never used is set up: one that vanished must not come back empty by itself.
      await storeOf(this.#env, cloud).open({ create: !known?.is_initialized, signal });
    } catch (error) {
      if (this.#looks.signal.aborted) return;
      trouble = describeError(error);
    }
    const isUp = trouble === null;
    const now = new Date();
    const isChanged = !known || known.is_store_up !== isUp;
    await catalog.db
      .insertInto("cloud_state")
      .values({ cloud, is_store_up: isUp, trouble, since: now, checked_at: now, is_initialized: isUp })
      .onConflict((conflict) =>
        conflict.column("cloud").doUpdateSet({
          is_store_up: isUp,
          trouble,
          checked_at: now,
          ...(isChanged ? { since: now } : {}),
          ...(isUp ? { is_initialized: true } : {}),
        }),
      )
      .execute();
    if (isChanged && !isUp) this.#env.logger.warn({ cloud, trouble }, "the store cannot be used");
    if (isChanged && isUp) this.#env.logger.info({ cloud }, "the store can be used");
  }
}
