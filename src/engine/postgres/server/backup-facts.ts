import { BtarError } from "../../../domain/errors.ts";
import { type Lsn, lsnFromSortable, lsnToSortable } from "../../../domain/lsn.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { Tablespace } from "../base-backup.ts";
import { parseStreamName, type WalStream } from "../stream-name.ts";

/** What a recovery needs to know of a base backup, read from its facts. */
export interface RecoveryFacts {
  readonly stream: WalStream;
  readonly logStart: Lsn;
  readonly logEnd: Lsn;
  readonly walSegmentBytes: number;
  readonly tablespaces: readonly Tablespace[];
}

/** @throws {BtarError} OBJECT_DAMAGED */
export function recoveryFacts(facts: BaseBackupFacts): RecoveryFacts {
  const { walSegmentBytes, tablespaces } = facts.engineFacts;
  if (!isSegmentSize(walSegmentBytes)) throw damaged("walSegmentBytes", walSegmentBytes);
  if (!Array.isArray(tablespaces) || !tablespaces.every(isTablespace)) throw damaged("tablespaces", tablespaces);
  return {
    stream: parseStreamName(facts.log.stream),
    logStart: lsnFromSortable(facts.log.start),
    logEnd: lsnFromSortable(facts.log.end),
    walSegmentBytes,
    tablespaces,
  };
}

/** How a server is to find the end of its recovery. */
export type RecoveryEnd =
  /** Where the log that it is given ends. */
  | { readonly kind: "end-of-log" }
  /** Before the record that begins at `position`, which is in the log: the server itself makes sure that it got there. */
  | { readonly kind: "record"; readonly position: Lsn }
  /** Where the backup's own log ends. No record need begin there, so that the log is cut off at it. */
  | { readonly kind: "cut"; readonly stream: string; readonly position: Lsn };

export function recoveryEnd(facts: BaseBackupFacts, plan: RecoveryPlan): RecoveryEnd {
  if (!plan.stopBefore) return { kind: "end-of-log" };
  const { stream } = plan.stopBefore;
  const position = lsnFromSortable(plan.stopBefore.position);
  const isBackupEnd = stream === facts.log.stream && lsnToSortable(position) === facts.log.end;
  return isBackupEnd ? { kind: "cut", stream, position } : { kind: "record", position };
}

/** The stream that the recovery ends in. */
export function lastStream(facts: BaseBackupFacts, plan: RecoveryPlan): WalStream {
  return parseStreamName(plan.stopBefore?.stream ?? plan.pieces.at(-1)?.stream ?? facts.log.stream);
}

/** A power of two from 1 MiB to 1 GiB. */
function isSegmentSize(value: unknown): value is number {
  return typeof value === "number" && value >= 2 ** 20 && value <= 2 ** 30 && Number.isInteger(Math.log2(value));
}

function isTablespace(value: unknown): value is Tablespace {
  if (typeof value !== "object" || value === null || !("oid" in value) || !("location" in value)) return false;
  return typeof value.oid === "string" && /^\d{1,10}$/.test(value.oid) && typeof value.location === "string";
}

function damaged(name: string, value: unknown): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `the base backup's manifest holds ${JSON.stringify(value)} as ${name}`,
    hint: "use another backup, or the same one of another location",
  });
}
