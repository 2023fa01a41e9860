import type { Catalog } from "../../catalog/catalog.ts";
import { describeError, isBtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { checkRecipient } from "../../repository/rewrap-data-keys.ts";
import { opensCatalog } from "./master-key.ts";

const storeTimeoutMs = 5 * 60_000;

/** Whether a key opens what is sealed in one place. */
export interface KeyFinding {
  /** `catalog`, or a cloud. */
  readonly where: string;
  /** `nothing`: there is nothing sealed yet; `unknown`: it does not answer. */
  readonly state: "opens" | "refused" | "nothing" | "unknown";
  readonly what: string;
}

/** Looks whether a key opens the catalog and what each store holds; nothing is changed. */
export async function examineKey(
  key: Buffer,
  places: { readonly catalog: Catalog | undefined; readonly stores: ReadonlyMap<string, ObjectStore> },
): Promise<readonly KeyFinding[]> {
  const findings = [await examineCatalog(key, places.catalog)];
  for (const [cloud, store] of places.stores) findings.push(await examineStore(key, cloud, store));
  return findings;
}

async function examineCatalog(key: Buffer, catalog: Catalog | undefined): Promise<KeyFinding> {
  const where = "catalog";
  if (!catalog) return { where, state: "nothing", what: "there is no catalog yet" };
  const opens = await opensCatalog(catalog, key);
  if (opens === undefined) return { where, state: "nothing", what: "it has no secrets yet" };
  if (opens) return { where, state: "opens", what: "its secrets open" };
  return { where, state: "refused", what: "it was made with another key" };
}

async function examineStore(key: Buffer, cloud: string, store: ObjectStore): Promise<KeyFinding> {
  try {
    const found = await checkRecipient(store, key, { signal: AbortSignal.timeout(storeTimeoutMs) });
    const opened = found.keys - found.unopened.length;
    const [first] = found.unopened;
    if (first) {
      const what = `${found.unopened.length} of ${found.keys} data keys do not open: ${first.why}`;
      return { where: cloud, state: "refused", what };
    }
    if (found.keys === 0) return { where: cloud, state: "nothing", what: "the store holds no data keys yet" };
    return { where: cloud, state: "opens", what: `${opened} data keys of ${found.services} services open` };
  } catch (error) {
    if (!isBtarError(error)) throw error;
    return { where: cloud, state: "unknown", what: describeError(error) };
  }
}
