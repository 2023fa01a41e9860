import { BtarError } from "./errors.ts";

/** Which of MySQL's transactions it is, the same on all servers that have it. */
export interface Gtid {
  /** Lower case. */
  readonly uuid: string;
  /** Lower case; empty: none. */
  readonly tag: string;
  /** From 1 on. */
  readonly number: bigint;
}

const uuidForm = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const tagForm = /[a-z_][a-z0-9_]{0,31}/;
const gtidForm = new RegExp(`^(${uuidForm.source})(?:\\s*:\\s*(${tagForm.source}))?\\s*:\\s*(\\d{1,19})$`);
const wholeUuid = new RegExp(`^${uuidForm.source}$`);
const wholeTag = new RegExp(`^${tagForm.source}$`);
/** Several servers, an interval, or numbers after a number. */
const setForm = /,|:\s*\d+\s*[-:]/;
/** MySQL's highest. */
const maxNumber = 2n ** 63n - 2n;

/** @param text in lower case */
export function isGtidUuid(text: string): boolean {
  return wholeUuid.test(text);
}

/** @param text in lower case */
export function isGtidTag(text: string): boolean {
  return wholeTag.test(text);
}

/**
 * Reads one GTID: `UUID:NUMBER`, or `UUID:TAG:NUMBER`.
 * @throws {BtarError} INVALID_GTID, also for a set of them
 */
export function parseGtid(text: string): Gtid {
  const [, uuid = "", tag = "", digits = ""] = gtidForm.exec(text.trim().toLowerCase()) ?? [];
  const number = BigInt(digits);
  if (number >= 1n && number <= maxNumber) return { uuid, tag, number };
  throw new BtarError("INVALID_GTID", {
    message: `"${text}" is ${setForm.test(text) ? "a set of GTIDs, not one" : "not a GTID"}`,
    hint: "give one transaction: UUID:NUMBER or UUID:TAG:NUMBER, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
  });
}

/** As MySQL writes it. */
export function formatGtid({ uuid, tag, number }: Gtid): string {
  return tag === "" ? `${uuid}:${number}` : `${uuid}:${tag}:${number}`;
}
