import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { BtarError } from "../domain/errors.ts";

const version = "v1";

/**
 * Seals a small secret for storage: AES-256-GCM under a key derived from the master key and the purpose, so that a
 * sealed text only opens where it belongs.
 * @param masterKey 32 bytes
 * @param purpose what it is and whose, such as `service-secrets 0190…`
 * @returns text of the form `v1.BASE64URL`
 */
export function sealSecret(masterKey: Uint8Array, purpose: string, secret: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", purposeKey(masterKey, purpose), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `${version}.${sealed.toString("base64url")}`;
}

/** @throws {BtarError} KEY_UNAVAILABLE when the text was sealed with another key or for another purpose */
export function openSecret(masterKey: Uint8Array, purpose: string, sealed: string): string {
  const opened = openedWith.get(masterKey) ?? new Map<string, string>();
  openedWith.set(masterKey, opened);
  const key = `${purpose} ${sealed}`;
  const known = opened.get(key);
  if (known !== undefined) return known;
  const secret = unseal(masterKey, purpose, sealed);
  const [oldest] = opened.keys();
  if (opened.size >= mostOpened && oldest !== undefined) opened.delete(oldest);
  opened.set(key, secret);
  return secret;
}

/** What was opened stays in memory, as the key that opens it does: lists of services open the same again and again. */
const openedWith = new WeakMap<Uint8Array, Map<string, string>>();
const mostOpened = 10_000;

function unseal(masterKey: Uint8Array, purpose: string, sealed: string): string {
  const bytes = Buffer.from(sealed.slice(version.length + 1), "base64url");
  try {
    if (!sealed.startsWith(`${version}.`) || bytes.length < 28) throw new Error("not a sealed secret");
    const decipher = createDecipheriv("aes-256-gcm", purposeKey(masterKey, purpose), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `a secret (${purpose.split(" ")[0]}) cannot be opened with this master key`,
      hint: "start btar with the master key that this catalog was made with",
      cause,
    });
  }
}

/** Tells keys apart, and tells nothing of them: 16 hex digits of the key's hash. */
export function keyIdOf(key: Uint8Array): string {
  return createHash("sha256").update("btar key id 1").update(key).digest("hex").slice(0, 16);
}

function purposeKey(masterKey: Uint8Array, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", masterKey, "", `btar secret 1 ${purpose}`, 32)));
}
