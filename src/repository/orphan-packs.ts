import { objectNames } from "./object-names.ts";
import type { Repository } from "./repository.ts";

/**
 * Removes packs that no base backup names: what a backup that was cut off has left (P3). The caller makes sure that
 * nothing else writes packs of this service into this store meanwhile.
 * @returns how many were removed
 */
export async function removeOrphanPacks(
  repository: Repository,
  options: { readonly signal: AbortSignal },
): Promise<number> {
  // Packs are listed first: one that a backup names by the time its manifest is read is never taken for an orphan.
  const packs: string[] = [];
  for await (const { key } of repository.store.list(objectNames.packs(repository.serviceId), options)) packs.push(key);
  const needed = new Set<string>();
  for (const backupId of await repository.backupIds(options)) {
    const manifest = await repository.manifest(backupId, options);
    for (const pack of manifest.packs) needed.add(objectNames.pack(repository.serviceId, pack.sha256));
  }
  const orphans = packs.filter((key) => !needed.has(key));
  for (const key of orphans) await repository.store.delete(key, options);
  return orphans.length;
}
