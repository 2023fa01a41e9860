import { BtarError } from "../domain/errors.ts";
import type { BackupManifest } from "./manifest.ts";
import { objectNames } from "./object-names.ts";
import type { Repository } from "./repository.ts";
import type { NeededPack } from "./stored-file.ts";

type Place = Pick<Repository, "store" | "serviceId">;

/** SHA-256 of those packs that the store does not list with their size: from one listing, without reading them. */
export async function absentPacks(
  { store, serviceId }: Place,
  packs: readonly NeededPack[],
  options: { readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const absent = new Map(packs.map((pack) => [objectNames.pack(serviceId, pack.sha256), pack]));
  for await (const { key, sizeBytes } of store.list(objectNames.packs(serviceId), options)) {
    if (absent.get(key)?.sizeBytes === sizeBytes) absent.delete(key);
  }
  return new Set([...absent.values()].map(({ sha256 }) => sha256));
}

/**
 * Makes sure that every pack which a manifest names is there, and the description, right before the manifest is
 * stored: whoever was paused for long may have had them removed.
 * @throws {BtarError} OBJECT_REMOVED
 */
export async function checkNamedObjects(
  place: Place,
  manifest: Pick<BackupManifest, "backupId" | "packs" | "descriptionVersion">,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const { store, serviceId } = place;
  const unlisted = await absentPacks(place, manifest.packs, options);
  for (const { sha256, sizeBytes } of manifest.packs) {
    if (!unlisted.has(sha256)) continue;
    // A listing may be an old one.
    const key = objectNames.pack(serviceId, sha256);
    if ((await store.head(key, options))?.sizeBytes !== sizeBytes)
      throw removedMeanwhile(place, key, manifest.backupId);
  }
  const key = objectNames.description(serviceId, manifest.descriptionVersion);
  if (!(await store.head(key, options))) throw removedMeanwhile(place, key, manifest.backupId);
}

function removedMeanwhile({ store }: Place, key: string, backupId: string): BtarError {
  return new BtarError("OBJECT_REMOVED", {
    message: `${key} is not in ${store.url} any more, before base backup ${backupId} is complete`,
    hint: "it is tried again by itself",
    details: { object: key, store: store.url },
  });
}
