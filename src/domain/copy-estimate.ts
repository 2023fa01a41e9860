/** What a copy of a service's backups in a cloud would take; all sizes are bytes. */

export interface CopyFacts {
  /** What is to be copied now. */
  readonly packBytes: number;
  readonly logBytes: number;
  /** What the cloud holds already. */
  readonly heldBytes: number;
  /** Log that came during some time; undefined: nothing is known. */
  readonly log: { readonly bytes: number; readonly seconds: number } | undefined;
  /** What later base backups have added; undefined: there was none but the first. */
  readonly added: { readonly bytes: number; readonly backups: number } | undefined;
  /** Packs that the newest base backup needs. */
  readonly newestPackBytes: number;
  readonly intervalHours: number;
  readonly retentionDays: number;
  /** How fast one can copy; undefined: nobody knows. */
  readonly bytesPerSecond: number | undefined;
  readonly prices: CopyPrices | undefined;
}

/** Money, in one currency; what has no price costs nothing that is known. */
export interface CopyPrices {
  /** Of a GB (10^9 bytes) that is stored for a month. */
  readonly storedGbMonth: number | undefined;
  /** Of a GB that is transferred. */
  readonly transferredGb: number | undefined;
}

export interface CopyEstimate {
  readonly bytesToCopy: number;
  /** Undefined: it cannot be told yet. */
  readonly logBytesPerDay: number | undefined;
  readonly backupBytesPerDay: number | undefined;
  readonly bytesPerDay: number | undefined;
  /** Undefined: it cannot be told, or never happens. */
  readonly secondsToCatchUp: number | undefined;
  /** More comes than can be copied. */
  readonly neverCatchesUp: boolean;
  /** Held there once it has caught up. */
  readonly storedBytes: number;
  /** Held there when backups are as old as they get. */
  readonly storedBytesLater: number;
  readonly money: CopyMoney | undefined;
}

export interface CopyMoney {
  /** For what is to be copied now. */
  readonly once: number;
  readonly perMonthStored: number;
  readonly perMonthTransferred: number;
  readonly perMonth: number;
}

export const gigabyte = 1e9;
export const daysPerMonth = 30.4375;
const daySeconds = 86_400;

/** Works out what a copy would take. What is not known is left out of sums, which then are the least. */
export function estimateCopy(facts: CopyFacts): CopyEstimate {
  const { packBytes, logBytes, heldBytes, intervalHours, retentionDays, prices } = facts;
  const bytesToCopy = packBytes + logBytes;
  const logBytesPerDay = facts.log && (facts.log.bytes / facts.log.seconds) * daySeconds;
  const backupBytesPerDay = facts.added && (facts.added.bytes / facts.added.backups) * (24 / intervalHours);
  const isKnown = logBytesPerDay !== undefined || backupBytesPerDay !== undefined;
  const bytesPerDay = isKnown ? (logBytesPerDay ?? 0) + (backupBytesPerDay ?? 0) : undefined;
  const storedBytes = heldBytes + bytesToCopy;
  const keptDays = retentionDays + intervalHours / 24;
  const storedBytesLater = Math.max(storedBytes, facts.newestPackBytes + (bytesPerDay ?? 0) * keptDays);
  return {
    ...{ bytesToCopy, logBytesPerDay, backupBytesPerDay, bytesPerDay, storedBytes, storedBytesLater },
    ...timeToCatchUp({ bytesToCopy, bytesPerDay, bytesPerSecond: facts.bytesPerSecond }),
    money: prices && moneyFor(prices, { bytesToCopy, bytesPerDay: bytesPerDay ?? 0, storedBytes: storedBytesLater }),
  };
}

/** While it copies, more comes. */
function timeToCatchUp({
  bytesToCopy,
  bytesPerDay = 0,
  bytesPerSecond,
}: {
  readonly bytesToCopy: number;
  readonly bytesPerDay: number | undefined;
  readonly bytesPerSecond: number | undefined;
}): Pick<CopyEstimate, "secondsToCatchUp" | "neverCatchesUp"> {
  if (bytesToCopy === 0) return { secondsToCatchUp: 0, neverCatchesUp: false };
  if (bytesPerSecond === undefined) return { secondsToCatchUp: undefined, neverCatchesUp: false };
  const gain = bytesPerSecond - bytesPerDay / daySeconds;
  return gain > 0
    ? { secondsToCatchUp: bytesToCopy / gain, neverCatchesUp: false }
    : { secondsToCatchUp: undefined, neverCatchesUp: true };
}

function moneyFor(
  { storedGbMonth = 0, transferredGb = 0 }: CopyPrices,
  sizes: { readonly bytesToCopy: number; readonly bytesPerDay: number; readonly storedBytes: number },
): CopyMoney {
  const perMonthStored = (sizes.storedBytes / gigabyte) * storedGbMonth;
  const perMonthTransferred = ((sizes.bytesPerDay * daysPerMonth) / gigabyte) * transferredGb;
  return {
    once: (sizes.bytesToCopy / gigabyte) * transferredGb,
    ...{ perMonthStored, perMonthTransferred, perMonth: perMonthStored + perMonthTransferred },
  };
}
