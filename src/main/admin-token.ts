import { randomBytes } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import { unlinkIfThere, writeFileDurably } from "../platform/files.ts";
import { readSmallFile } from "./data-directory.ts";

const shortestToken = 24;

/** The first administrator's token, for a catalog that may have none yet. */
export interface AdminToken {
  readonly text: string;
  /** Told whether the catalog took it; if not, it has others already. */
  settle(isTaken: boolean): Promise<void>;
}

/**
 * The token that BTAR_ADMIN_TOKEN gives, else the one in the file, else a random one. A random one is in the file,
 * where client commands on this machine find it, before it can be in the catalog: it cannot get lost in between.
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function prepareAdminToken(file: string): Promise<AdminToken> {
  const write = (text: string) => writeFileDurably(file, `${text}\n`, { mode: 0o600 });
  const given = process.env["BTAR_ADMIN_TOKEN"];
  if (given !== undefined) {
    checkToken(given);
    return { text: given, settle: async (isTaken) => (isTaken ? await write(given) : undefined) };
  }
  const known = await readSmallFile(file);
  if (known !== undefined && known !== "") return { text: known, settle: async () => undefined };
  const text = randomBytes(32).toString("base64");
  await write(text);
  return { text, settle: async (isTaken) => (isTaken ? undefined : await unlinkIfThere(file)) };
}

function checkToken(text: string): void {
  if (text.length >= shortestToken && /^[\x21-\x7e]+$/.test(text)) return;
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `BTAR_ADMIN_TOKEN has ${text.length} characters`,
    hint: `give at least ${shortestToken} printable ones, without spaces`,
  });
}
