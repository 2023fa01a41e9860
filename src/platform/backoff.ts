/** How waits between attempts grow. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The wait before another attempt: it doubles from `firstMs` up to `maxMs`, and a random part of up to half is taken
 * off, so that many who failed together do not come back together.
 * @param failures how many attempts have failed in a row, 1 and up
 * @param random a number from 0 to 1
 * @returns milliseconds, whole
 */
export function backoffDelayMs(failures: number, backoff: Backoff, random: number): number {
  const doublings = Math.min(Math.max(failures, 1) - 1, 30); // 2^30 is past any limit in use
  const fullMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** doublings);
  return Math.round(fullMs * (1 - random / 2));
}
