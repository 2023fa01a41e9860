import { createHash } from "node:crypto";
import { BtarError, isBtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { type DamagedLog, isUnsound } from "../repository/finding.ts";
import { type LogSpan, logRuns, widestPieces } from "../repository/log-cover.ts";
import type { LogPiece } from "../repository/log-piece.ts";
import { objectNames } from "../repository/object-names.ts";
import { listLogPieces } from "../repository/repository.ts";
import { checkSealedObject } from "../repository/sealed-object.ts";
import { copyObject, damagedObject } from "./copy-object.ts";

/** Another location of the service, whose objects may be sound. */
export interface HealingSource {
  readonly cloud: string;
  readonly store: ObjectStore;
}

export interface HealRequest {
  readonly serviceId: string;
  /** Where the damage is. */
  readonly destination: ObjectStore;
  readonly sources: readonly HealingSource[];
  /** Throws OBJECT_DAMAGED for bytes that do not open, though their checksum is right. */
  readonly checkOpens?: ((key: string, bytes: Buffer) => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}

export type HealOutcome =
  | { readonly kind: "healed"; readonly from: string }
  /** What each of the other locations lacks. */
  | { readonly kind: "hopeless"; readonly reasons: readonly string[] };

/**
 * Puts a sound object of another location in the place of a damaged or missing one, at once: the same bytes, verified
 * when they have arrived.
 */
export async function healObject(request: HealRequest, key: string): Promise<HealOutcome> {
  const { destination, signal } = request;
  return await fromEach(request, async ({ store }) => {
    const bytes = await store.get(key, { signal });
    if (!bytes) return "it has none";
    checkObject(request.serviceId, key, { bytes, store });
    await request.checkOpens?.(key, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await destination.put(key, bytes, { signal, sha256, isReplacing: true });
    if ((await destination.sha256(key, { signal })) === sha256) return undefined;
    throw damagedObject(key, destination, "it was not stored as it was sent");
  });
}

/**
 * Brings log that is damaged or missing, in the pieces in which another location holds it.
 * @param damagedKey the damaged object, which goes when its log is there in others
 */
export async function healLog(
  request: HealRequest,
  log: DamagedLog,
  damagedKey: string | undefined,
): Promise<HealOutcome> {
  const { serviceId, destination, signal } = request;
  const { stream, start, end } = log;
  return await fromEach(request, async ({ store }) => {
    const pieces: LogPiece[] = [];
    const listing = listLogPieces(store, { serviceId, stream, from: start, to: end, signal });
    for await (const piece of widestPieces(listing)) pieces.push(piece);
    if (!(await isWhole(pieces, log))) return "it does not hold that log";
    const keys = pieces.map((piece) => objectNames.logPiece(serviceId, piece));
    for (const key of keys) {
      if (key === damagedKey) {
        const outcome = await healObject({ ...request, sources: [{ cloud: "", store }] }, key);
        if (outcome.kind === "hopeless") return outcome.reasons.join(", ");
      } else {
        const check = async (bytes: Buffer) => {
          checkSealedObject(key, bytes);
          await request.checkOpens?.(key, bytes);
        };
        await copyObject({ source: store, destination, key, signal }, { kind: "embedded", check });
      }
    }
    if (damagedKey !== undefined && !keys.includes(damagedKey)) await destination.delete(damagedKey, { signal });
    return undefined;
  });
}

/**
 * Removes a damaged piece of log whose log others hold beside it, as before it was merged, or since.
 * @returns whether they do
 */
export async function dropCoveredPiece(request: HealRequest, log: DamagedLog, damagedKey: string): Promise<boolean> {
  const { serviceId, destination, signal } = request;
  const { stream, start, end } = log;
  const pieces: LogPiece[] = [];
  for await (const piece of listLogPieces(destination, { serviceId, stream, from: start, to: end, signal })) {
    if (objectNames.logPiece(serviceId, piece) !== damagedKey) pieces.push(piece);
  }
  if (!(await isWhole(pieces, log))) return false;
  for await (const piece of widestPieces(pieces)) {
    const key = objectNames.logPiece(serviceId, piece);
    const bytes = await destination.get(key, { signal });
    if (!bytes || !(await isSound(request, key, bytes))) return false;
  }
  await destination.delete(damagedKey, { signal });
  return true;
}

async function isSound({ checkOpens }: HealRequest, key: string, bytes: Buffer): Promise<boolean> {
  try {
    checkSealedObject(key, bytes);
    await checkOpens?.(key, bytes);
    return true;
  } catch (error) {
    if (isUnsound(error)) return false;
    throw error;
  }
}

async function isWhole(pieces: readonly LogPiece[], { start, end }: LogSpan): Promise<boolean> {
  for await (const run of logRuns(pieces)) if (run.start <= start && run.end >= end) return true;
  return false;
}

/** @param attempt what is in the way, or undefined when it went well */
async function fromEach(
  { sources }: HealRequest,
  attempt: (source: HealingSource) => Promise<string | undefined>,
): Promise<HealOutcome> {
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      const reason = await attempt(source);
      if (reason === undefined) return { kind: "healed", from: source.cloud };
      reasons.push(`${source.cloud}: ${reason}`);
    } catch (error) {
      if (!isUnsound(error) && !isUnavailable(error)) throw error;
      reasons.push(`${source.cloud}: ${error.message}`);
    }
  }
  return { kind: "hopeless", reasons };
}

export function isUnavailable(error: unknown): error is BtarError {
  return isBtarError(error) && error.kind === "unavailable";
}

/** @throws {BtarError} OBJECT_DAMAGED */
function checkObject(
  serviceId: string,
  key: string,
  { bytes, store }: { readonly bytes: Buffer; readonly store: ObjectStore },
): void {
  if (key.startsWith(objectNames.packs(serviceId))) {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (key !== objectNames.pack(serviceId, sha256)) throw damagedObject(key, store, "its bytes do not match its name");
  } else if (!key.startsWith(objectNames.keys(serviceId))) checkSealedObject(key, bytes);
  else if (bytes.length === 0) throw new BtarError("OBJECT_DAMAGED", { message: `${key} in ${store.url} is empty` });
}
