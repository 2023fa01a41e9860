import { createHash } from "node:crypto";
import { microsToDate } from "../domain/recovery-target-time.ts";
import type { BlobWorkers } from "./blob-workers.ts";
import { openBlob, packKey } from "./blob.ts";
import { decodeFileMapGroup } from "./file-map.ts";
import { type Finding, findingOf, isUnsound } from "./finding.ts";
import type { LogSpan } from "./log-cover.ts";
import type { LogPiece } from "./log-piece.ts";
import { objectNames } from "./object-names.ts";
import { decodePackFooter, decodePackHeader, decodePackIndex, type PackEntry } from "./pack-layout.ts";
import type { Repository } from "./repository.ts";
import { deltaProblem } from "./verify-deltas.ts";
import type { VerifiedPack } from "./verify-structure.ts";

/** Objects that are read at the same time: two packs are 32 MiB. */
const readAtOnce = 2;

export interface DataRequest {
  readonly repository: Repository;
  readonly workers: BlobWorkers;
  /** As `verifyStructure` found them. */
  readonly packs: readonly VerifiedPack[];
  readonly log: readonly (LogSpan & { readonly stream: string })[];
  /** Object after which to begin; undefined: at the beginning. */
  readonly after: string | undefined;
  /** Ends when so much was read, or everything once: the end is followed by the beginning. Undefined: ends at the end. */
  readonly maxBytes: number | undefined;
  /** Told of each object that was read, in order, with what is wrong with it. */
  readonly onRead: (object: ReadObject) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface ReadObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly finding: Finding | undefined;
  /** It is the last one in order of names: the next is the first again. */
  readonly isLast: boolean;
}

interface Readable {
  readonly key: string;
  readonly sizeBytes: number;
  readonly verify: () => Promise<Finding | undefined>;
}

/** Bytes that reading everything once would read. */
export async function dataBytes(
  request: Pick<DataRequest, "repository" | "packs" | "log" | "signal">,
): Promise<number> {
  let bytes = request.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  for (const span of request.log) for await (const { piece } of piecesOf(request, span)) bytes += piece.sizeBytes;
  return bytes;
}

/**
 * Reads packs and log whole, in order of their names, from where an earlier run ended: checksums, seals, fingerprints.
 * An object that has gone since it was listed is no finding: structure says what must be there.
 */
export async function verifyData(request: DataRequest): Promise<void> {
  const { after, maxBytes = Number.POSITIVE_INFINITY, signal } = request;
  let bytes = 0;
  const first = after === undefined ? {} : { after };
  const rounds = after === undefined || request.maxBytes === undefined ? [first] : [first, { through: after }];
  for (const round of rounds) {
    let held: Readable | undefined;
    let batch: Readable[] = [];
    const readBatch = async (isLast: boolean) => {
      const objects = batch;
      batch = [];
      const findings = await Promise.all(objects.map((object) => object.verify()));
      for (const [index, { key, sizeBytes }] of objects.entries()) {
        bytes += sizeBytes;
        const finding = findings[index];
        await request.onRead({ key, sizeBytes, finding, isLast: isLast && index === objects.length - 1 });
      }
    };
    for await (const object of readables(request, round)) {
      signal.throwIfAborted();
      if (bytes >= maxBytes) return;
      if (held) batch.push(held);
      held = object;
      if (batch.length >= readAtOnce) await readBatch(false);
    }
    if (bytes >= maxBytes) return;
    if (held) batch.push(held);
    await readBatch(!("through" in round));
  }
}

/** Log sorts before packs, as in a listing. */
async function* readables(
  request: DataRequest,
  { after = "", through }: { readonly after?: string; readonly through?: string },
): AsyncGenerator<Readable> {
  const isIn = (key: string) => key > after && (through === undefined || key <= through);
  const { serviceId } = request.repository;
  for (const span of request.log) {
    for await (const { piece, commitBefore } of piecesOf(request, span)) {
      const key = objectNames.logPiece(serviceId, piece);
      if (!isIn(key)) continue;
      yield { key, sizeBytes: piece.sizeBytes, verify: () => verifyPiece(request, { key, piece, commitBefore }) };
    }
  }
  for (const pack of request.packs) {
    const key = objectNames.pack(serviceId, pack.sha256);
    if (isIn(key)) yield { key, sizeBytes: pack.sizeBytes, verify: () => verifyPack(request, key, pack) };
  }
}

async function* piecesOf(
  { repository, signal }: Pick<DataRequest, "repository" | "signal">,
  { stream, start, end }: LogSpan & { readonly stream: string },
): AsyncGenerator<{ readonly piece: LogPiece; readonly commitBefore: bigint | undefined }> {
  let commitBefore: bigint | undefined;
  for await (const piece of repository.logPieces(stream, { from: start, to: end, signal })) {
    yield { piece, commitBefore };
    if (piece.newestCommitMicros !== undefined) commitBefore = piece.newestCommitMicros;
  }
}

/** Reads a pack whole. @returns undefined when it is sound, or not there */
export async function verifyPack(
  { repository, workers, signal }: Pick<DataRequest, "repository" | "workers" | "signal">,
  name: string,
  pack: Pick<VerifiedPack, "sha256" | "backups">,
): Promise<Finding | undefined> {
  const bytes = await repository.store.get(name, { signal });
  if (!bytes) return undefined;
  const damaged = (what: string): Finding => ({ key: name, kind: "damaged", what, backups: pack.backups });
  if (createHash("sha256").update(bytes).digest("hex") !== pack.sha256)
    return damaged("its bytes do not match its name");
  const header = headerOf(bytes);
  if (typeof header === "string") return damaged(header);
  const { keyId, session } = header;
  try {
    const key = packKey(repository.keys.byId(keyId).bytes, session);
    const { fingerprintSeed } = repository.keys;
    const problem =
      (await workers.verify({ pack: bytes, key, fingerprintSeed })) ??
      (await fileMapsProblem({ repository, pack: bytes, key, session: session.toString("hex"), signal }));
    return problem === undefined ? undefined : damaged(problem);
  } catch (error) {
    if (isUnsound(error)) return damaged(error.message);
    throw error; // it says nothing about the pack
  }
}

/** @returns what is wrong with it, or what it says */
function headerOf(pack: Buffer): ReturnType<typeof decodePackHeader> | string {
  try {
    return decodePackHeader(pack);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @param opened.pack whose blobs all open */
async function fileMapsProblem(opened: {
  readonly repository: Repository;
  readonly pack: Buffer;
  readonly key: Buffer;
  readonly session: string;
  readonly signal: AbortSignal;
}): Promise<string | undefined> {
  const { repository, pack, key, session, signal } = opened;
  const open = (entry: PackEntry): Buffer =>
    openBlob(key, { ...entry, sealed: pack.subarray(entry.offset, entry.offset + entry.sealedBytes) });
  for (const entry of decodePackIndex(open(decodePackFooter(pack)))) {
    if (entry.role !== "file-map") continue;
    const group = decodeFileMapGroup(open(entry), "the pack");
    const problem = await deltaProblem({ repository, group, session, signal });
    if (problem !== undefined) return problem;
  }
  return undefined;
}

async function verifyPiece(
  { repository, signal }: DataRequest,
  {
    key,
    piece,
    commitBefore,
  }: { readonly key: string; readonly piece: LogPiece; readonly commitBefore: bigint | undefined },
): Promise<Finding | undefined> {
  try {
    await repository.logPiece(piece, { signal });
    return undefined;
  } catch (error) {
    if (!isUnsound(error)) throw error;
    if (error.code === "OBJECT_MISSING") return undefined; // it was merged, or has expired
    const after = commitBefore === undefined ? undefined : microsToDate(commitBefore);
    const { stream, start, end } = piece;
    return { ...findingOf(key, error, []), log: { stream, start, end, after } };
  }
}
