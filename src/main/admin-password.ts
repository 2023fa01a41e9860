import { randomBytes } from "node:crypto";
import type { AdminPassword } from "../control-plane/bootstrap.ts";
import { BtarError } from "../domain/errors.ts";
import { unlinkIfThere, writeFileDurably } from "../platform/files.ts";
import { readSmallFile } from "./data-directory.ts";

const shortest = 8;
const longest = 256;

/** The first administrator's password, for a catalog that may have none yet. */
export interface PreparedPassword extends AdminPassword {
  /** Told whether the catalog took it; if not, it has another one already. */
  settle(isTaken: boolean): Promise<void>;
}

/**
 * The password that BTAR_ADMIN_PASSWORD gives, else the one in the file, else a random one. A random one is in the file
 * before it can be in the catalog: it cannot get lost in between.
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function prepareAdminPassword(file: string): Promise<PreparedPassword> {
  const given = process.env["BTAR_ADMIN_PASSWORD"];
  if (given !== undefined) {
    checkPassword(given);
    // What an earlier start has written there holds no more.
    return {
      text: given,
      isChosen: true,
      settle: async (isTaken) => (isTaken ? await unlinkIfThere(file) : undefined),
    };
  }
  const known = await readSmallFile(file);
  if (known !== undefined && known !== "") return { text: known, isChosen: false, settle: async () => undefined };
  const text = randomBytes(18).toString("base64url");
  await writeFileDurably(file, `${text}\n`, { mode: 0o600 });
  return { text, isChosen: false, settle: async (isTaken) => (isTaken ? undefined : await unlinkIfThere(file)) };
}

function checkPassword(text: string): void {
  if (text.length >= shortest && text.length <= longest) return;
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `BTAR_ADMIN_PASSWORD has ${text.length} characters`,
    hint: `give ${shortest} to ${longest}`,
  });
}
