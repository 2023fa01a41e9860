export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * @param part 0 to 1
 * @returns the value below which that part of the values lies, between two neighbours in proportion; NaN of none
 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** Seconds between two moments in ISO form; NaN when one is missing. */
export function secondsBetween(from: string | null, to: string | null): number {
  return from === null || to === null ? Number.NaN : (Date.parse(to) - Date.parse(from)) / 1000;
}

export function rounded(value: number): number {
  return Number(value.toFixed(3));
}
