import { BtarError } from "./errors.ts";

const timeForm = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.(\d{1,9}))?)?)\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?$/;

/**
 * Reads a recovery target: `2026-03-01 10:00:00` (UTC), `2026-03-01T10:00:00.123456+02:00`, `…Z`.
 * @returns microseconds since 1970
 * @throws {BtarError} INVALID_TIME
 */
export function parseTargetTime(text: string): bigint {
  const match = timeForm.exec(text.trim());
  const [, day, time, fraction, zone] = match ?? [];
  const seconds = time === undefined ? "" : time.length === 5 ? `${time}:00` : time.slice(0, 8);
  const wholeMs = match ? Date.parse(`${day}T${seconds}${isoZone(zone)}`) : Number.NaN;
  if (Number.isNaN(wholeMs)) {
    throw new BtarError("INVALID_TIME", {
      message: `"${text}" is not a time`,
      hint: "give 2026-03-01T10:00:00Z, 2026-03-01T12:00:00+02:00, or 2026-03-01 10:00:00 (taken as UTC)",
    });
  }
  const micros = BigInt((fraction ?? "").padEnd(6, "0").slice(0, 6));
  return BigInt(wholeMs) * 1000n + micros;
}

/** `2026-03-01T10:00:00.123456Z` */
export function formatMicros(micros: bigint): string {
  const ms = micros / 1000n;
  const rest = String(micros % 1_000_000n).padStart(6, "0");
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${rest}Z`;
}

/** Microseconds since 1970 as a Date, which is rounded down to the millisecond. */
export function microsToDate(micros: bigint): Date {
  return new Date(Number(micros / 1000n));
}

function isoZone(zone: string | undefined): string {
  if (zone === undefined || zone.toUpperCase() === "Z") return "Z";
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}
