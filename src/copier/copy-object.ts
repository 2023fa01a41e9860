import { createHash } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { missingObject } from "../repository/repository.ts";
import type { Pace } from "./bandwidth-limit.ts";

export interface CopyObjectRequest {
  readonly source: ObjectStore;
  readonly destination: ObjectStore;
  readonly key: string;
  readonly signal: AbortSignal;
  /** How fast the source is read (C7); undefined: as fast as it goes. */
  readonly pace?: Pace | undefined;
}

/** Recorded at the source: what the object's bytes must be. */
export type RecordedChecksum =
  /** A pack: its name is its SHA-256. */
  | { readonly kind: "sha256"; readonly hex: string }
  /** A sealed object: it carries its checksum; `check` throws when it does not match. */
  | { readonly kind: "embedded"; readonly check: (bytes: Buffer) => void | Promise<void> };

/**
 * Copies one object and verifies it at the destination (C4). Within one service the store copies by itself (C8);
 * otherwise the bytes stream through here.
 * @returns bytes that were sent; 0 when the destination had the object already, which is verified all the same
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED when the source's bytes are not what was recorded
 */
export async function copyObject(request: CopyObjectRequest, recorded: RecordedChecksum): Promise<number> {
  const { source, destination, key, signal } = request;
  if (recorded.kind === "sha256" && !isOverLimitedLink(request)) {
    const outcome = await destination.copyFrom(source, key, { signal });
    if (outcome === "missing") throw missingObject(key, source);
    if (outcome !== "unsupported") {
      await verifyStored(request, recorded.hex);
      return outcome === "stored" ? ((await destination.head(key, { signal }))?.sizeBytes ?? 0) : 0;
    }
  }
  const bytes = await readObject(request);
  if (!bytes) throw missingObject(key, source);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (recorded.kind === "embedded") await recorded.check(bytes);
  else if (sha256 !== recorded.hex) throw damagedObject(key, source, "its bytes do not match its name");
  const outcome = await destination.put(key, bytes, { signal, sha256 });
  await verifyStored(request, sha256);
  return outcome === "stored" ? bytes.length : 0;
}

/** Between folders it is this machine that copies, over the link that has the limit. */
function isOverLimitedLink({ destination, pace }: CopyObjectRequest): boolean {
  return pace !== undefined && destination.url.startsWith("file:");
}

async function readObject({ source, key, signal, pace }: CopyObjectRequest): Promise<Buffer | undefined> {
  if (!pace) return await source.get(key, { signal });
  const sizeBytes = (await source.head(key, { signal }))?.sizeBytes;
  if (sizeBytes === undefined) return undefined;
  const bytes = Buffer.allocUnsafe(sizeBytes);
  const lengthAt = (offset: number) => Math.min(pace.sliceBytes, sizeBytes - offset);
  let mayRead = pace.take(lengthAt(0), signal);
  for (let offset = 0; offset < sizeBytes; ) {
    await mayRead;
    const lengthBytes = lengthAt(offset);
    // Asked for while this one is read: whoever goes before others is always in line.
    mayRead = pace.take(lengthAt(offset + lengthBytes), signal);
    mayRead.catch(() => undefined); // awaited above, unless reading fails first
    const slice = await source.get(key, { signal, range: { offset, lengthBytes } });
    if (!slice) return undefined;
    if (slice.length !== lengthBytes) throw damagedObject(key, source, `it ended at ${offset + slice.length} bytes`);
    offset += slice.copy(bytes, offset);
  }
  await mayRead;
  return bytes;
}

/**
 * Removes an object that arrived wrong, so that the next attempt sends it again.
 * @throws {BtarError} OBJECT_DAMAGED when it is wrong at the source already, STORE_REFUSED
 */
async function verifyStored({ source, destination, key, signal }: CopyObjectRequest, sha256: string): Promise<void> {
  const stored = await destination.sha256(key, { signal });
  if (stored === sha256) return;
  await destination.delete(key, { signal });
  // A store that copies by itself copies what is damaged, too.
  const atSource = await source.sha256(key, { signal });
  if (atSource !== undefined && atSource !== sha256) {
    throw damagedObject(key, source, "its bytes do not match what was recorded");
  }
  throw new BtarError("STORE_REFUSED", {
    message: `${key} in ${destination.url} was not stored as it was sent`,
    hint: "it is removed and sent again; if this repeats, check the destination's disk or service",
    details: { object: key, store: destination.url, expectedSha256: sha256, foundSha256: stored },
  });
}

export function damagedObject(key: string, store: ObjectStore, what: string): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${key} in ${store.url} is damaged: ${what}`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: key, store: store.url },
  });
}
