import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { openSecret, sealSecret } from "../platform/secret-box.ts";
import { keyIdPattern, objectNames } from "./object-names.ts";

/** A service's data key: everything of the service is sealed with keys derived from it. */
export interface DataKey {
  /** 16 hex digits, from the key's hash. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Buffer;
}

/** Whoever can unwrap a data key. `master`: btar's own master key. */
interface KeyRecipient {
  readonly kind: "master";
  /** 16 hex digits of the hash of the recipient's key, to tell them apart. */
  readonly id: string;
  readonly sealed: string;
}

interface KeyObject {
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
  for await (const { key: name } of store.list(objectNames.keys(serviceId), { signal })) {
    if (!keyIdPattern.test(name.slice(objectNames.keys(serviceId).length))) continue; // somebody else's
    const bytes = await store.get(name, { signal });
    if (bytes) keys.push(unwrap(name, bytes, serviceId, masterKey));
  }
  const [first, ...rest] = keys;
  return first && new DataKeys(serviceId, [first, ...rest]);
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
  const id = hashId(bytes);
  const content: KeyObject = {
    format: 1,
    keyId: id,
    recipients: [
      {
        kind: "master",
        id: hashId(masterKey),
        sealed: sealSecret(masterKey, purpose(serviceId, id), bytes.toString("hex")),
      },
    ],
  };
  await store.put(objectNames.key(serviceId, id), Buffer.from(`${JSON.stringify(content)}\n`), { signal });
  // Read back: when two agents made the first key at once, both go on with the same one, the first by name.
  const stored = await loadDataKeys(store, serviceId, masterKey, signal);
  return stored ?? new DataKeys(serviceId, [{ id, bytes }]);
}

function unwrap(name: string, bytes: Buffer, serviceId: string, masterKey: Uint8Array): DataKey {
  const content = parseKeyObject(name, bytes);
  const recipient = content.recipients.find(({ kind, id }) => kind === "master" && id === hashId(masterKey));
  if (!recipient) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `${name} is sealed for another master key than the one in use (${hashId(masterKey)})`,
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

function hashId(key: Uint8Array): string {
  return createHash("sha256").update("btar key id 1").update(key).digest("hex").slice(0, 16);
}
