import type { StoredObject } from "../object-store/object-store.ts";
import { objectNames } from "./object-names.ts";
import type { ObjectRemoval } from "./object-removal.ts";
import type { Repository } from "./repository.ts";
import type { StoredManifests } from "./stored-manifests.ts";

export interface GarbageRequest {
  readonly repository: Repository;
  readonly manifests: StoredManifests;
  readonly removal: ObjectRemoval;
  /** Base backups that are there for certain, whatever a listing says. */
  readonly known: ReadonlySet<string>;
  /** Base backups whose manifests were removed, whatever a listing says. */
  readonly removed: ReadonlySet<string>;
  /** Objects younger than this stay: something may still be about to name them. */
  readonly minAgeMs: number;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** Removes the manifest of a base backup, which ends it; its packs are garbage from then on. */
export async function removeManifest(
  request: Pick<GarbageRequest, "repository" | "removal">,
  backupId: string,
): Promise<"removed" | "refused"> {
  const key = objectNames.manifest(request.repository.serviceId, backupId);
  return (await request.removal.removeOne({ key, sizeBytes: 0 })) ? "removed" : "refused";
}

/**
 * Removes packs that no base backup in the store names, and descriptions of the service that none names. It can be cut
 * off anywhere and done again. The caller makes sure that no backup is taken or copied into the store meanwhile.
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED when it is not clear what a backup needs; nothing is removed then
 */
export async function removeGarbage(request: GarbageRequest): Promise<void> {
  const { repository, manifests, removal, known, removed, signal } = request;
  const { serviceId } = repository;
  // Listed before the manifests are read: what a backup names that exists by then is never taken for garbage.
  const packs = await listOld(request, objectNames.packs(serviceId));
  const descriptions = await listOld(request, objectNames.descriptions(serviceId));
  const named = await manifests.all({ known, except: removed, signal });
  const needed = new Set(named.flatMap((backup) => backup.packs.map((name) => objectNames.pack(serviceId, name))));
  await removal.removeAll(packs.filter(({ key }) => isPack(serviceId, key) && !needed.has(key)));
  const described = new Set(named.map(({ head }) => objectNames.description(serviceId, head.descriptionVersion)));
  // The newest one tells what the service is now.
  await removal.removeAll(descriptions.slice(0, -1).filter(({ key }) => !described.has(key)));
}

async function listOld(
  { repository, minAgeMs, now, signal }: GarbageRequest,
  prefix: string,
): Promise<readonly StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of repository.store.list(prefix, { signal })) {
    if (now.getTime() - object.storedAt.getTime() >= minAgeMs) objects.push(object);
  }
  return objects;
}

/** What something else has put there is left alone. */
function isPack(serviceId: string, key: string): boolean {
  const name = key.slice(key.lastIndexOf("/") + 1);
  return /^[0-9a-f]{64}$/.test(name) && key === objectNames.pack(serviceId, name);
}
