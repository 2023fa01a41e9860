import type { KnownTrouble, Trouble } from "../../catalog/troubles.ts";

/** So long something may be in trouble before it is told: most of it passes by itself. */
const patienceMs = { service: 5 * 60_000, location: 5 * 60_000, job: 15 * 60_000 } as const;

export interface TroubleChanges {
  /** Just begun. */
  readonly begun: readonly Trouble[];
  /** They last, and nobody was told. */
  readonly lasting: readonly Trouble[];
  /** Over; of those that were told, their ends are told, too. */
  readonly over: readonly KnownTrouble[];
}

/**
 * What changes in what is known of troubles. What a cloud that is down holds up is left as it is: that the cloud is down
 * was told already, and its end is awaited.
 */
export function troubleChanges(
  troubles: readonly Trouble[],
  known: ReadonlyMap<string, KnownTrouble>,
  { down, now }: { readonly down: ReadonlySet<string>; readonly now: Date },
): TroubleChanges {
  const own = troubles.filter(({ clouds }) => !clouds.some((cloud) => down.has(cloud)));
  const present = new Set(troubles.map(({ subject }) => subject));
  return {
    begun: own.filter(({ subject }) => !known.has(subject)),
    lasting: own.filter(({ subject, kind }) => {
      const { since, told_at } = known.get(subject) ?? { since: now, told_at: null };
      return told_at === null && now.getTime() - since.getTime() >= patienceMs[kind];
    }),
    over: [...known.values()].filter(({ subject }) => !present.has(subject)),
  };
}
