import { objectNames } from "./object-names.ts";
import type { Repository } from "./repository.ts";
import type { NeededPack } from "./stored-file.ts";

/** SHA-256 of those packs that the store does not list with their size: from one listing, without reading them. */
export async function absentPacks(
  { store, serviceId }: Pick<Repository, "store" | "serviceId">,
  packs: readonly NeededPack[],
  options: { readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const absent = new Map(packs.map((pack) => [objectNames.pack(serviceId, pack.sha256), pack]));
  for await (const { key, sizeBytes } of store.list(objectNames.packs(serviceId), options)) {
    if (absent.get(key)?.sizeBytes === sizeBytes) absent.delete(key);
  }
  return new Set([...absent.values()].map(({ sha256 }) => sha256));
}
