import path from "node:path";
import { formatLsn, lsnFromSortable } from "../../../domain/lsn.ts";
import { readTextIfThere } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { RecoveryProgress } from "../../server.ts";
import { recoveryFacts } from "./backup-facts.ts";

/** In the data directory: the name of the segment that is being replayed. */
export const replayedSegmentFile = "btar.replaying";

/**
 * A server that recovers without letting anyone in tells nowhere how far it is, but it asks `restore_command` for each
 * segment before it takes the one in pg_wal. This one writes down the name and has nothing to offer.
 */
export const reportingRestoreCommand = `echo %f > ${replayedSegmentFile}; false`;

/** How far the recovery in a data directory is, to the segment; undefined before it has begun to read log. */
export async function recoveryProgress(
  dataDirectory: string,
  backup: BaseBackupFacts,
  plan: RecoveryPlan,
): Promise<RecoveryProgress | undefined> {
  const name = (await readTextIfThere(path.join(dataDirectory, replayedSegmentFile)))?.trim();
  const match = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$/.exec(name ?? "");
  if (!match) return undefined; // a timeline history, or being written
  const facts = recoveryFacts(backup);
  const segmentBytes = BigInt(facts.walSegmentBytes);
  const segment = BigInt(`0x${match[1]}`) * (0x1_0000_0000n / segmentBytes) + BigInt(`0x${match[2]}`);
  const position = segment * segmentBytes > facts.logStart ? segment * segmentBytes : facts.logStart;
  const end = plan.stopBefore?.position ?? plan.pieces.at(-1)?.end;
  const totalBytes = Number((end === undefined ? facts.logEnd : lsnFromSortable(end)) - facts.logStart);
  const doneBytes = Number(position - facts.logStart);
  return { position: formatLsn(position), fraction: totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0 };
}
