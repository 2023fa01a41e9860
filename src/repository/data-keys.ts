import { hkdfSync, randomBytes } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { keyIdOf, openSecret, sealSecret } from "../platform/secret-box.ts";
import { keyIdPattern, objectNames } from "./object-names.ts";

/** A service's data key: everything of the service is sealed with keys derived from it. */
export interface DataKey {
  /** 16 hex digits, from the key's hash. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Buffer;
}

/** Whoever can unwrap a data key. `master`: btar's own master key. */
export interface KeyRecipient {
  readonly kind: "master";
  /** 16 hex digits of the hash of the recipient's key, to tell them apart. */
  readonly id: string;
  readonly sealed: string;
}

export interface KeyObject {
  readonly format: 1;
  readonly keyId: string;
  readonly recipients: readonly KeyRecipient[];
}

/** The data keys of one service, as found in one store. */
export class DataKeys {
  readonly #serviceId: string;
  readonly #keys: ReadonlyMap<string, DataKey>;
  /** The key that new objects are sealed with. */
  readonly current: DataKey;

  constructor(serviceId: string, keys: readonly [DataKey, ...DataKey[]]) {
    this.#serviceId = serviceId;
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.current = keys[0];
  }

  /** @throws {BtarError} KEY_UNAVAILABLE */
  byId(id: string): DataKey {
    const key = this.#keys.get(id);
    if (!key) {
      throw new BtarError("KEY_UNAVAILABLE", {
        message: `data key ${id} of service ${this.#serviceId} is not among the keys in the store`,
        hint: "copy the missing object below key/ from another location",
      });
    }
    return key;
  }

  /** Seed of page fingerprints: secret, so that nobody who writes to the database can aim at a collision. */
  get fingerprintSeed(): bigint {
    const seed = Buffer.from(hkdfSync("sha256", this.current.bytes, "", "btar fingerprint 1", 8));
    return seed.readBigUInt64LE();
  }
}

/**
 * Opens the data keys of a service.
 * @returns undefined when the store has none
 * @throws {BtarError} KEY_UNAVAILABLE when the master key opens none of them
 */
export async function loadDataKeys(
  store: ObjectStore,
  serviceId: string,
  masterKey: Uint8Array,
  signal?: AbortSignal,
): Promise<DataKeys | undefined> {
  const keys: DataKey[] = [];
  for await (const { name, content } of keyObjects(store, serviceId, signal)) {
    keys.push(unwrap(name, content, { serviceId, masterKey }));
  }
  const [first, ...rest] = keys;
  return first && new DataKeys(serviceId, [first, ...rest]);
}

/** The wrapped keys of a service, as they lie in a store. @throws {BtarError} OBJECT_DAMAGED */
export async function* keyObjects(
  store: ObjectStore,
  serviceId: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly name: string; readonly content: KeyObject }> {
  for await (const { key: name } of store.list(objectNames.keys(serviceId), { signal })) {
    if (!keyIdPattern.test(name.slice(objectNames.keys(serviceId).length))) continue; // somebody else's
    const bytes = await store.get(name, { signal });
    if (bytes) yield { name, content: parseKeyObject(name, bytes) };
  }
}

/** Opens the data keys of a service, making the first one if there is none yet. */
export async function ensureDataKeys(
  store: ObjectStore,
  serviceId: string,
  masterKey: Uint8Array,
  signal?: AbortSignal,
): Promise<DataKeys> {
  const existing = await loadDataKeys(store, serviceId, masterKey, signal);
  if (existing) return existing;
  const bytes = randomBytes(32);
  const id = keyIdOf(bytes);
  const content: KeyObject = { format: 1, keyId: id, recipients: [wrapped({ id, bytes }, serviceId, masterKey)] };
  await store.put(objectNames.key(serviceId, id), keyObjectBytes(content), { signal });
  // Read back: when two agents made the first key at once, both go on with the same one, the first by name.
  const stored = await loadDataKeys(store, serviceId, masterKey, signal);
  return stored ?? new DataKeys(serviceId, [{ id, bytes }]);
}

/** A data key, for whoever has the master key. */
export function wrapped({ id, bytes }: DataKey, serviceId: string, masterKey: Uint8Array): KeyRecipient {
  const sealed = sealSecret(masterKey, purpose(serviceId, id), bytes.toString("hex"));
  return { kind: "master", id: keyIdOf(masterKey), sealed };
}

export function isWrappedFor({ recipients }: KeyObject, masterKey: Uint8Array): boolean {
  return recipients.some(isRecipient(masterKey));
}

export function isRecipient(masterKey: Uint8Array): (recipient: KeyRecipient) => boolean {
  const wanted = keyIdOf(masterKey);
  return ({ kind, id }) => kind === "master" && id === wanted;
}

export function keyObjectBytes(content: KeyObject): Buffer {
  return Buffer.from(`${JSON.stringify(content)}\n`);
}

/** @throws {BtarError} KEY_UNAVAILABLE */
export function unwrap(
  name: string,
  content: KeyObject,
  { serviceId, masterKey }: { readonly serviceId: string; readonly masterKey: Uint8Array },
): DataKey {
  const recipient = content.recipients.find(isRecipient(masterKey));
  if (!recipient) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `${name} is sealed for another master key than the one in use (${keyIdOf(masterKey)})`,
      hint: `use the master key ${content.recipients.map(({ id }) => id).join(" or ")}; see docs/runbook.md`,
    });
  }
  const key = Buffer.from(openSecret(masterKey, purpose(serviceId, content.keyId), recipient.sealed), "hex");
  return { id: content.keyId, bytes: key };
}

function parseKeyObject(name: string, bytes: Buffer): KeyObject {
  try {
    const content: unknown = JSON.parse(bytes.toString("utf8"));
    if (isKeyObject(content)) return content;
    throw new Error("fields are missing");
  } catch (cause) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `${name} is damaged: it does not read as a wrapped key`,
      hint: "copy it from another location of the service",
      cause,
    });
  }
}

function isKeyObject(content: unknown): content is KeyObject {
  if (typeof content !== "object" || content === null) return false;
  const { format, keyId, recipients } = content as Partial<Record<keyof KeyObject, unknown>>;
  return format === 1 && typeof keyId === "string" && Array.isArray(recipients);
}

function purpose(serviceId: string, keyId: string): string {
  return `data-key ${serviceId} ${keyId}`;
}
