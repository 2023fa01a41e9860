import { BtarError, isBtarError } from "../domain/errors.ts";
import type { ObjectStore, StoreCallOptions } from "../object-store/object-store.ts";
import { isRecipient, isWrappedFor, type KeyObject, keyObjectBytes, keyObjects, unwrap, wrapped } from "./data-keys.ts";
import { objectNames, serviceFolder } from "./object-names.ts";

/** What was found of the wrapped keys in a store. */
export interface WrappedKeys {
  readonly services: number;
  readonly keys: number;
  /** How many objects were written anew. */
  readonly changed: number;
  /** Objects that the master key does not open, and why. */
  readonly unopened: readonly { readonly object: string; readonly why: string }[];
}

/**
 * Lets another master key open all data keys in a store, besides the one that opens them now. Doing it again changes
 * nothing. What is wrapped for neither stays as it is, and is told.
 */
export async function addRecipient(
  store: ObjectStore,
  keys: { readonly current: Uint8Array; readonly next: Uint8Array },
  options: StoreCallOptions = {},
): Promise<WrappedKeys> {
  return await rewrapAll(store, options, ({ name, content, serviceId }) => {
    if (isWrappedFor(content, keys.next)) {
      unwrap(name, content, { serviceId, masterKey: keys.next });
      return undefined;
    }
    const dataKey = unwrap(name, content, { serviceId, masterKey: keys.current });
    return { ...content, recipients: [...content.recipients, wrapped(dataKey, serviceId, keys.next)] };
  });
}

/** Lets no other master key open the data keys in a store than this one. */
export async function dropOtherRecipients(
  store: ObjectStore,
  masterKey: Uint8Array,
  options: StoreCallOptions = {},
): Promise<WrappedKeys> {
  return await rewrapAll(store, options, ({ name, content, serviceId }) => {
    unwrap(name, content, { serviceId, masterKey });
    const isKept = isRecipient(masterKey);
    const recipients = content.recipients.filter((recipient) => recipient.kind !== "master" || isKept(recipient));
    return recipients.length === content.recipients.length ? undefined : { ...content, recipients };
  });
}

/** Finds out whether a master key opens all data keys in a store. */
export async function checkRecipient(
  store: ObjectStore,
  masterKey: Uint8Array,
  options: StoreCallOptions = {},
): Promise<WrappedKeys> {
  return await rewrapAll(store, options, ({ name, content, serviceId }) => {
    unwrap(name, content, { serviceId, masterKey });
    return undefined;
  });
}

interface FoundKey {
  readonly name: string;
  readonly content: KeyObject;
  readonly serviceId: string;
}

/** @param change answers what to write in an object's place; undefined: it is right as it is */
async function rewrapAll(
  store: ObjectStore,
  { signal }: StoreCallOptions,
  change: (found: FoundKey) => KeyObject | undefined,
): Promise<WrappedKeys> {
  const serviceIds = (await store.listFolders("", { signal })).filter((name) => serviceFolder.test(name));
  const unopened: { readonly object: string; readonly why: string }[] = [];
  let keys = 0;
  let changed = 0;
  for (const serviceId of serviceIds) {
    try {
      for await (const { name, content } of keyObjects(store, serviceId, signal)) {
        keys += 1;
        const written = changeOf({ name, content, serviceId }, change, unopened);
        if (!written) continue;
        await store.put(name, keyObjectBytes(written), { isReplacing: true, signal });
        changed += 1;
      }
    } catch (error) {
      if (!isBtarError(error, "OBJECT_DAMAGED")) throw error;
      unopened.push({ object: objectNames.keys(serviceId), why: error.message });
    }
  }
  return { services: serviceIds.length, keys, changed, unopened };
}

function changeOf(
  found: FoundKey,
  change: (found: FoundKey) => KeyObject | undefined,
  unopened: { readonly object: string; readonly why: string }[],
): KeyObject | undefined {
  try {
    return change(found);
  } catch (error) {
    if (!(error instanceof BtarError) || error.code !== "KEY_UNAVAILABLE") throw error;
    unopened.push({ object: found.name, why: error.message });
    return undefined;
  }
}
