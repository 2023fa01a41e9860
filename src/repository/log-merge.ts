import { BtarError, isBtarError } from "../domain/errors.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import { BoundedTasks } from "./bounded-tasks.ts";
import {
  type CoveredPiece,
  coveredPieces,
  farthest,
  type LogSlot,
  piecesToMerge,
  slotStart,
} from "./log-merge-plan.ts";
import { type LogPiece, maxMergedReach, newestCommitOf } from "./log-piece.ts";
import type { Repository } from "./repository.ts";

const readsAtOnce = 8;
const deletesAtOnce = 8;

export interface LogMergeRequest {
  readonly stream: string;
  /** Where an earlier round says that the next one begins; undefined: at the beginning of the stream. */
  readonly from: string | undefined;
  /** The stream gets no more log. */
  readonly isEnded: boolean;
  /** Pieces stay this long beside the one that they were merged to, for those that read by an earlier listing. */
  readonly graceMs: number;
  readonly now: Date;
  readonly signal: AbortSignal;
}

export interface LogMergeResult {
  readonly mergedPieces: number;
  readonly removedPieces: number;
  /** By so much what is merged is smaller than what it was merged from, bytes. */
  readonly savedBytes: number;
  /** Where the next round begins. */
  readonly next: string | undefined;
  /** Whether there is something to do later even if no more log comes. */
  readonly hasMore: boolean;
  /** Pieces that could not be read, and so are left as they are; verification names what they affect. */
  readonly damage: readonly BtarError[];
}

interface SlotResult {
  readonly mergedPieces: number;
  readonly removedPieces: number;
  readonly savedBytes: number;
  readonly isSettled: boolean;
  readonly damage: readonly BtarError[];
}

/**
 * Makes few pieces of a stream's many: rows of small ones become one of about 16 MiB, and what another piece holds is
 * removed after a while. Works within one store. The merged piece is durable, and was read back, before any piece that
 * it holds is removed; so it can be cut off anywhere, done twice at once, and done again.
 */
export async function mergeLog(repository: Repository, request: LogMergeRequest): Promise<LogMergeResult> {
  let [mergedPieces, removedPieces, savedBytes] = [0, 0, 0];
  const damage: BtarError[] = [];
  let next: string | undefined;
  let last: string | undefined;
  let before: LogPiece | undefined;
  for await (const slot of slotsOf(repository, request)) {
    const chains = piecesToMerge(slot);
    // What was merged just now is removed in a later round: it must have been listed as well.
    const done =
      chains.length > 0
        ? await mergeChains(repository, chains, request)
        : await removeCovered(repository, coveredPieces(slot, before), request);
    mergedPieces += done.mergedPieces;
    removedPieces += done.removedPieces;
    savedBytes += done.savedBytes;
    damage.push(...done.damage);
    if (!done.isSettled) next ??= slot.start;
    last = slot.start;
    before = farthest(slot.pieces, before);
  }
  const hasMore = next !== undefined;
  return { mergedPieces, removedPieces, savedBytes, next: next ?? last ?? request.from, hasMore, damage };
}

async function* slotsOf(repository: Repository, request: LogMergeRequest): AsyncGenerator<LogSlot> {
  const { stream, from, isEnded, signal } = request;
  let start: string | undefined;
  let pieces: LogPiece[] = [];
  for await (const piece of repository.logPieces(stream, { signal, ...(from === undefined ? {} : { from }) })) {
    const slot = slotStart(piece.start);
    if (start !== undefined && slot !== start) {
      yield { start, pieces, state: "finished" };
      pieces = [];
    }
    start = slot;
    pieces.push(piece);
  }
  if (start !== undefined) yield { start, pieces, state: isEnded ? "finished" : "growing" };
}

async function mergeChains(
  repository: Repository,
  chains: readonly (readonly LogPiece[])[],
  { signal }: LogMergeRequest,
): Promise<SlotResult> {
  let [mergedPieces, savedBytes] = [0, 0];
  const damage: BtarError[] = [];
  for (const chain of chains) {
    const bytes = await readChain(repository, chain, signal);
    if (bytes instanceof BtarError) damage.push(bytes);
    const [first, last] = [chain[0], chain.at(-1)];
    if (!first || !last || !bytes || bytes instanceof BtarError) continue;
    const merged = {
      stream: first.stream,
      start: first.start,
      end: last.end,
      newestCommitMicros: newestCommitOf(chain),
    };
    const sizeBytes = await repository.putLogPiece(merged, bytes, { signal });
    releaseMemory(bytes);
    savedBytes += chain.reduce((sum, piece) => sum + piece.sizeBytes, 0) - sizeBytes;
    mergedPieces += chain.length;
  }
  return { mergedPieces, removedPieces: 0, savedBytes, isSettled: damage.length === chains.length, damage };
}

/** @returns undefined when a piece is gone: somebody else has merged it, or the listing was old */
async function readChain(
  repository: Repository,
  pieces: readonly LogPiece[],
  signal: AbortSignal,
): Promise<Buffer | BtarError | undefined> {
  // Room that is not filled takes no memory.
  const bytes = Buffer.allocUnsafeSlow(Number(maxMergedReach));
  let used = 0;
  for (let at = 0; at < pieces.length; at += readsAtOnce) {
    const names = pieces.slice(at, at + readsAtOnce);
    for (const part of await Promise.all(names.map((piece) => readPiece(repository, piece, signal)))) {
      if (!part || part instanceof BtarError) return part;
      if (used + part.length > bytes.length) throw new BtarError("INTERNAL", { message: "merged log is too long" });
      used += part.copy(bytes, used);
      releaseMemory(part);
    }
  }
  return bytes.subarray(0, used);
}

/** @returns undefined when it is gone; the error when it is damaged */
async function readPiece(
  repository: Repository,
  piece: LogPiece,
  signal: AbortSignal,
): Promise<Buffer | BtarError | undefined> {
  try {
    return await repository.logPiece(piece, { signal });
  } catch (error) {
    if (isBtarError(error, "OBJECT_MISSING")) return undefined;
    if (isBtarError(error) && error.kind === "damaged") return error;
    throw error;
  }
}

/** Removes pieces, each after the one that holds the same log was read back. */
async function removeCovered(
  repository: Repository,
  covered: readonly CoveredPiece[],
  { now, graceMs, signal }: LogMergeRequest,
): Promise<SlotResult> {
  const due = covered.filter(({ cover }) => now.getTime() - cover.storedAt.getTime() >= graceMs);
  const damage: BtarError[] = [];
  let removedPieces = 0;
  for (const [cover, pieces] of Map.groupBy(due, (each) => each.cover)) {
    const held = await readPiece(repository, cover, signal);
    if (held instanceof BtarError) damage.push(held);
    if (!held || held instanceof BtarError) continue;
    await removeAll(repository, pieces, signal);
    removedPieces += pieces.length;
  }
  return { mergedPieces: 0, removedPieces, savedBytes: 0, isSettled: due.length === covered.length, damage };
}

async function removeAll(repository: Repository, pieces: readonly CoveredPiece[], signal: AbortSignal): Promise<void> {
  const deletes = new BoundedTasks(deletesAtOnce);
  try {
    for (const { piece } of pieces) await deletes.add(() => repository.removeLogPiece(piece, { signal }));
  } finally {
    await deletes.settle();
  }
  await deletes.finish();
}
