import path from "node:path";
import { formatLsn, type Lsn, lsnFromSortable } from "../../../domain/lsn.ts";
import { readTextIfThere } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { RecoveryProgress } from "../../server.ts";
import { recoveryFacts } from "./backup-facts.ts";

/** In the data directory: the names of the segment that is being replayed, and of the oldest that is needed. */
export const replayedSegmentFile = "btar.replaying";

/**
 * A server that recovers without letting anyone in tells nowhere how far it is, but it asks `restore_command` for each
 * segment before it takes the one in pg_wal. This one writes down the name and has nothing to offer.
 */
export const reportingRestoreCommand = `echo %f %r > ${replayedSegmentFile}; false`;

/** What a recovering server has asked for last. */
export interface Replayed {
  /** Where the segment begins that it is at. */
  readonly position: Lsn;
  /** Name of the oldest segment that it would need if it were started again. */
  readonly oldestNeeded: string;
}

/** Undefined before the server has begun to read log. */
export async function readReplayed(dataDirectory: string, backup: BaseBackupFacts): Promise<Replayed | undefined> {
  const text = (await readTextIfThere(path.join(dataDirectory, replayedSegmentFile)))?.trim() ?? "";
  const match = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8}) ([0-9A-F]{24})$/.exec(text);
  if (!match) return undefined; // a timeline history, or being written
  const segmentBytes = BigInt(recoveryFacts(backup).walSegmentBytes);
  const segment = BigInt(`0x${match[1]}`) * (0x1_0000_0000n / segmentBytes) + BigInt(`0x${match[2]}`);
  return { position: segment * segmentBytes, oldestNeeded: match[3] ?? "" };
}

/** How far the recovery in a data directory is, to the segment; undefined before it has begun to read log. */
export async function recoveryProgress(
  dataDirectory: string,
  backup: BaseBackupFacts,
  plan: RecoveryPlan,
): Promise<RecoveryProgress | undefined> {
  const replayed = await readReplayed(dataDirectory, backup);
  if (!replayed) return undefined;
  const facts = recoveryFacts(backup);
  const position = replayed.position > facts.logStart ? replayed.position : facts.logStart;
  const planned = plan.stopBefore?.position ?? plan.pieces.at(-1)?.end;
  const end = planned === undefined ? facts.logEnd : lsnFromSortable(planned);
  const totalBytes = Number(end - facts.logStart);
  const doneBytes = Number(position - facts.logStart);
  const fraction = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
  return { position: formatLsn(position), end: formatLsn(end), fraction };
}
