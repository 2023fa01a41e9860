import type { CatalogDatabase } from "../catalog/catalog.ts";
import type { BandwidthLimitConfiguration } from "../contract/configuration.ts";
import { BandwidthLimit, type Pace } from "../copier/bandwidth-limit.ts";

/** An agent that was not heard of for this long counts as gone. */
const agentSilenceMs = 15_000;

/** How fast this agent may copy from other clouds into its own (C7). */
export class CopyPaces {
  readonly #cloud: string;
  readonly #limits: ReadonlyMap<string, BandwidthLimit>;

  constructor(cloud: string, limits: readonly BandwidthLimitConfiguration[]) {
    this.#cloud = cloud;
    this.#limits = new Map(
      limits.flatMap(({ from, to, bytesPerSecond }) =>
        to === cloud ? [[from, new BandwidthLimit(bytesPerSecond)] as const] : [],
      ),
    );
  }

  /** @returns undefined when copies from that cloud have no limit */
  from(cloud: string, options: { readonly isUrgent: boolean }): Pace | undefined {
    return this.#limits.get(cloud)?.pace(options);
  }

  /** Agents of the same cloud share its limits: looks how many live. */
  async shareWithLiving(db: CatalogDatabase): Promise<void> {
    if (this.#limits.size === 0) return;
    const { count } = await db
      .selectFrom("agent")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("cloud", "=", this.#cloud)
      .where("seen_at", ">", new Date(Date.now() - agentSilenceMs))
      .executeTakeFirstOrThrow();
    for (const limit of this.#limits.values()) limit.shareAmong(Number(count));
  }
}
