import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { readTextIfThere } from "../platform/files.ts";

/** Where a data directory keeps what several commands need. */
export function dataFiles(dataDirectory: string) {
  return {
    /** Unless BTAR_MASTER_KEY_FILE names another place. */
    masterKey: join(dataDirectory, "keys", "master.key"),
    /** When the master key was exported last, as JSON. */
    keyExport: join(dataDirectory, "keys", "exported.json"),
    adminToken: join(dataDirectory, "admin-token"),
    adminPassword: join(dataDirectory, "admin-password"),
    /** Where the API answers, for client commands on this machine. */
    url: join(dataDirectory, "api-url"),
    catalog: join(dataDirectory, "catalog"),
    /** Port and password of the embedded catalog. */
    catalogSecret: join(dataDirectory, "catalog.json"),
    /** Server programs. */
    servers: join(dataDirectory, "servers"),
    /** Node's own, of code that was compiled: agents start sooner, and need 40 MB less. */
    codeCache: join(dataDirectory, "cache"),
    log: (name: string) => join(dataDirectory, "log", `${name}.log`),
  } as const;
}

/** Makes the data directory. Servers pass through it to their own folders; what is secret is closed by itself. */
export async function makeDataDirectory({ dataDirectory, clouds }: BtarConfiguration): Promise<void> {
  await makeDirectory(dataDirectory, 0o711);
  await makeDirectory(join(dataDirectory, "clouds"), 0o711);
  for (const { name } of clouds) await makeDirectory(join(dataDirectory, "clouds", name), 0o711);
  await makeDirectory(join(dataDirectory, "log"), 0o700);
  await makeDirectory(join(dataDirectory, "keys"), 0o700);
  await makeDirectory(join(dataDirectory, "cache"), 0o700);
}

/** One that is there keeps its mode: the operator chose it. */
async function makeDirectory(directory: string, mode: number): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode });
  if (made !== undefined) await chmod(directory, mode); // the process's umask was taken off
}

/** What is in a small file, trimmed; undefined if there is none. */
export async function readSmallFile(file: string): Promise<string | undefined> {
  return (await readTextIfThere(file))?.trim();
}
