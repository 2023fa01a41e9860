import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Credentials } from "../cli/login-commands.ts";
import { BtarError } from "../domain/errors.ts";
import { readTextIfThere, unlinkIfThere, writeFileDurably } from "../platform/files.ts";

/**
 * What `btar login` has left on this machine, whether or not it still holds; undefined when nobody is logged in.
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function readCredentials(): Promise<Credentials | undefined> {
  const file = credentialsFile();
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const fields = parsed(text, file);
  const field = (name: keyof Credentials): string => {
    const value = fields[name];
    if (typeof value === "string" && value !== "") return value;
    throw unreadable(file);
  };
  return {
    url: field("url"),
    token: field("token"),
    email: field("email"),
    expiresAt: field("expiresAt"),
    project: field("project"),
    certificate: fields["certificate"] === undefined ? undefined : field("certificate"),
  };
}

export async function saveCredentials(credentials: Credentials): Promise<void> {
  const file = credentialsFile();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileDurably(file, `${JSON.stringify(credentials)}\n`, { mode: 0o600 });
}

/** @returns those that were there */
export async function removeCredentials(): Promise<Credentials | undefined> {
  const credentials = await readCredentials();
  await unlinkIfThere(credentialsFile());
  return credentials;
}

function credentialsFile(): string {
  return process.env["BTAR_CREDENTIALS_FILE"] ?? clientFile("credentials.json");
}

/** A file that client commands keep for their user. */
export function clientFile(name: string): string {
  return join(process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "btar", name);
}

function parsed(text: string, file: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause?: unknown): BtarError {
  return new BtarError("INVALID_CONFIGURATION", {
    message: `${file} is not what \`btar login\` writes`,
    hint: "remove it, and log in again",
    cause,
  });
}
