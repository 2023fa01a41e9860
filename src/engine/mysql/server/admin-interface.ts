import { readFileSync } from "node:fs";
import { isErrno } from "../../../platform/errno.ts";
import { unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import { freePort } from "../../../platform/ports.ts";
import type { ServerAddress } from "../../engine.ts";
import type { ServerDirectory } from "./directory.ts";

/** Also the host of btar's account that comes by it. */
export const adminHost = "127.0.0.1";

/**
 * Options for a server that is about to be started: besides its usual connections, of which others may take all, it takes
 * those of administrators on a port of its own, any number, from this host only.
 * @see https://dev.mysql.com/doc/refman/9.7/en/administrative-connection-interface.html
 */
export async function adminInterfaceOptions(directory: ServerDirectory): Promise<readonly string[]> {
  await forgetAdminInterface(directory);
  const port = await freePort(adminHost);
  if (port === undefined) return []; // it can do without
  await writeFileDurably(directory.adminPortFile, `${port}\n`, { mode: 0o600 });
  return [`--admin-address=${adminHost}`, `--admin-port=${port}`];
}

/** A server that is about to be started has none. */
export async function forgetAdminInterface(directory: ServerDirectory): Promise<void> {
  await unlinkIfThere(directory.adminPortFile);
}

/** Where a server takes btar when it is full, as it was started. The certificate is its own, and nobody's to check. */
export function adminInterface(directory: ServerDirectory): ServerAddress["whenFull"] {
  try {
    const port = Number(readFileSync(directory.adminPortFile, "utf8"));
    return { host: adminHost, port, tls: { mode: "require" } };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
