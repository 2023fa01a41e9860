import { BtarError } from "../../domain/errors.ts";
import { readTextIfThere, writeFileDurably } from "../../platform/files.ts";
import { keyText, protectedKeyText } from "../../platform/key-text.ts";
import { keyIdOf } from "../../platform/secret-box.ts";
import { dataFiles } from "../data-directory.ts";

/** When a key was exported on this machine. */
export interface KeyExport {
  readonly keyId: string;
  /** RFC 3339. */
  readonly exportedAt: string;
}

/** The key as text for people, with what they need to know of it. */
export async function exportText(key: Buffer, passphrase: string | undefined): Promise<string> {
  const body = passphrase === undefined ? keyText(key) : await protectedKeyText(key, passphrase);
  const guard = passphrase === undefined ? "whoever has it" : "whoever has it, and its passphrase,";
  return [
    `# Master key ${keyIdOf(key)} of btar, ${new Date().toISOString().slice(0, 10)}.`,
    `# With a store, ${guard} reads every backup in it; without it, nobody does.`,
    "# Keep it away from the machine, in two places. It is brought back with: btar key import FILE",
    body,
  ].join("\n");
}

export async function noteExport(dataDirectory: string, key: Buffer): Promise<void> {
  const note: KeyExport = { keyId: keyIdOf(key), exportedAt: new Date().toISOString() };
  await writeFileDurably(dataFiles(dataDirectory).keyExport, `${JSON.stringify(note)}\n`, { mode: 0o600 });
}

/** When this key was exported last; undefined: never from this machine. */
export async function lastExport(dataDirectory: string, key: Buffer): Promise<Date | undefined> {
  const file = dataFiles(dataDirectory).keyExport;
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    const { keyId, exportedAt } = JSON.parse(text) as Partial<KeyExport>;
    return keyId === keyIdOf(key) && exportedAt !== undefined ? new Date(exportedAt) : undefined;
  } catch (cause) {
    throw new BtarError("WRONG_STATE", {
      message: `${file} does not hold what btar writes there`,
      hint: "remove it",
      cause,
    });
  }
}
