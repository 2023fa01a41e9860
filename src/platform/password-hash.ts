import crypto, { randomBytes, timingSafeEqual } from "node:crypto";
import { BtarError } from "../domain/errors.ts";

/** What one hash takes. */
export interface Argon2Cost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html */
const usualCost: Argon2Cost = { memoryKib: 19_456, passes: 2, lanes: 1 };
const saltBytes = 16;
const tagBytes = 32;

/** Nobody's: made at the first login of somebody unknown, so that the answer takes as long as for others. */
let hashOfNobody: Promise<string> | undefined;

/**
 * Hashes a password with argon2id.
 * @returns in the form of the reference program: `$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG`
 * @throws {BtarError} INVALID_CONFIGURATION when this Node cannot
 * @see https://www.rfc-editor.org/rfc/rfc9106
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const tag = await argon2id(password, salt, usualCost);
  const { memoryKib, passes, lanes } = usualCost;
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${base64(salt)}$${base64(tag)}`;
}

/**
 * Whether a password is the one that was hashed. It takes as long when there is no hash, and then is false.
 * @throws {BtarError} INVALID_CONFIGURATION when this Node cannot tell
 */
export async function isPasswordOf(hash: string | undefined, password: string): Promise<boolean> {
  const nobody = await (hashOfNobody ??= hashPassword(base64(randomBytes(saltBytes))));
  const { cost, salt, tag } = parseHash(hash ?? nobody);
  const isSame = timingSafeEqual(await argon2id(password, salt, cost), tag);
  return hash !== undefined && isSame;
}

function parseHash(hash: string): { readonly cost: Argon2Cost; readonly salt: Buffer; readonly tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]{43})$/.exec(hash);
  if (!match) throw new BtarError("INTERNAL", { message: "a password's hash in the catalog is not one of argon2id" });
  const [, memoryKib, passes, lanes, salt = "", tag = ""] = match;
  return {
    cost: { memoryKib: Number(memoryKib), passes: Number(passes), lanes: Number(lanes) },
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}

/**
 * @returns 32 bytes
 * @throws {BtarError} INVALID_CONFIGURATION when this Node cannot
 */
export async function argon2id(
  password: string,
  salt: Buffer,
  { memoryKib, passes, lanes }: Argon2Cost,
): Promise<Buffer> {
  const parameters = {
    message: password,
    nonce: salt,
    parallelism: lanes,
    tagLength: tagBytes,
    memory: memoryKib,
    passes,
  };
  try {
    return await new Promise((resolve, reject) => {
      crypto.argon2("argon2id", parameters, (error, tag) => (error ? reject(error) : resolve(tag)));
    });
  } catch (cause) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `this Node (${process.version}, OpenSSL ${process.versions.openssl}) has no argon2id, which passwords are hashed with`,
      hint: "start btar with npx btar, which brings a Node that can, or take Node 24.7 or newer with OpenSSL 3.2 or newer",
      cause,
    });
  }
}

/** Without padding, as hashes are written. */
function base64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
