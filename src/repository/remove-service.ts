import type { ObjectStore } from "../object-store/object-store.ts";
import { objectNames } from "./object-names.ts";
import type { ObjectRemoval } from "./object-removal.ts";

/** A listing may be an old one: it is listed again until nothing is there, this often at most. */
const mostPasses = 3;

/**
 * Removes everything of a service from a store: what names something before what it names, keys last. Cut off
 * anywhere, what is left is a valid repository, and the next run goes on. The caller makes sure that nothing writes
 * there meanwhile.
 */
export async function removeServiceObjects(request: {
  readonly store: ObjectStore;
  readonly serviceId: string;
  readonly removal: ObjectRemoval;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { store, serviceId, removal, signal } = request;
  const inOrder = [
    objectNames.manifests(serviceId),
    objectNames.packs(serviceId),
    objectNames.log(serviceId),
    objectNames.descriptions(serviceId),
    objectNames.service(serviceId),
  ];
  for (let pass = 1; pass <= mostPasses; pass += 1) {
    let count = 0;
    for (const prefix of inOrder) count += await removal.removeAll(store.list(prefix, { signal }));
    if (count === 0) return;
  }
}
