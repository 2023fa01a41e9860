import type { LogNeed, RetainedSpan } from "../domain/log-retention.ts";
import { expireLog } from "./expire-log.ts";
import { removeGarbage, removeManifest } from "./garbage.ts";
import type { ManifestHead } from "./manifest.ts";
import type { ObjectRemoval } from "./object-removal.ts";
import type { Repository } from "./repository.ts";
import { StoredManifests } from "./stored-manifests.ts";

export interface CollectRequest {
  readonly repository: Repository;
  readonly removal: ObjectRemoval;
  /** Base backups that are in the store for certain, and stay. */
  readonly known: ReadonlySet<string>;
  /** Base backups that go. */
  readonly expired: readonly string[];
  /** Whether a base backup that is in the store, and neither known nor expired, goes as well. */
  readonly isStray: (head: ManifestHead) => boolean;
  /** Told when a manifest is gone, or the store has refused to remove it. */
  readonly onRemoved: (backupId: string, outcome: "removed" | "refused") => Promise<void>;
  /** What is needed of the log, by the base backups that are in the store, and by others that are to come there. */
  readonly logNeeds: (heads: readonly ManifestHead[]) => readonly LogNeed[];
  /** Told what stays of a stream's log, before anything of it is removed. */
  readonly onExpiringLog: (stream: string, retained: readonly RetainedSpan[]) => Promise<void>;
  /** Streams that get log now. */
  readonly currentStreams: ReadonlySet<string>;
  /** Does the work while no backup is taken or copied into the store; undefined when one is, now. */
  readonly whileUnused: (work: () => Promise<void>) => Promise<"done" | "in-use">;
  /** Packs and descriptions younger than this stay, and so do streams of unknown servers. */
  readonly minAgeMs: number;
  readonly now: Date;
  readonly signal: AbortSignal;
}

export interface Collected {
  /** `in-use`: packs are left for the next time. */
  readonly packs: "done" | "in-use";
}

/**
 * Removes from a store what retention does not need any more: manifests first, then what only they named. Cut off
 * anywhere, everything that still has a manifest can be restored, and the next run goes on.
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED when it is not clear what a backup that stays needs; then nothing
 *   was removed
 */
export async function collect(request: CollectRequest): Promise<Collected> {
  const { repository, known, signal } = request;
  const manifests = new StoredManifests(repository);
  const expired = new Set(request.expired);
  // Before anything goes: a store that has lost what must be there is not to lose more.
  const named = await manifests.all({ known, except: expired, signal });
  for (const { head } of named) {
    if (!known.has(head.backupId) && request.isStray(head)) expired.add(head.backupId);
  }
  const removed = new Set<string>();
  for (const backupId of expired) {
    const outcome = await removeManifest(request, backupId);
    if (outcome === "removed") removed.add(backupId);
    await request.onRemoved(backupId, outcome);
  }
  const left = await manifests.all({ known, except: removed, signal });
  const needs = request.logNeeds(left.map(({ head }) => head));
  await expireLog({ ...request, needs, current: request.currentStreams });
  const packs = await request.whileUnused(() => removeGarbage({ ...request, manifests, removed }));
  return { packs };
}
