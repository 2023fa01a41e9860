import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Profile, Profiles } from "../cli/profile-commands.ts";
import { BtarError } from "../domain/errors.ts";
import { readTextIfThere, writeFileDurably } from "../platform/files.ts";
import { clientFile } from "./credentials.ts";

/**
 * The profiles of this user.
 * @throws {BtarError} INVALID_CONFIGURATION when their file is not what `btar profile` writes
 */
export async function readProfiles(): Promise<Profiles> {
  const file = profilesFile();
  const text = await readTextIfThere(file);
  if (text === undefined) return { inUse: undefined, profiles: new Map() };
  try {
    const { in_use: inUse, profiles } = JSON.parse(text) as StoredProfiles;
    return { inUse: inUse ?? undefined, profiles: new Map(Object.entries(profiles)) };
  } catch (cause) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `${file} is not what \`btar profile\` writes`,
      hint: "remove it, and add the profiles again",
      cause,
    });
  }
}

export async function writeProfiles({ inUse, profiles }: Profiles): Promise<void> {
  const file = profilesFile();
  const stored: StoredProfiles = { in_use: inUse ?? null, profiles: Object.fromEntries(profiles) };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileDurably(file, `${JSON.stringify(stored, undefined, 2)}\n`, { mode: 0o600 });
}

/**
 * The profile that is asked for, or in use.
 * @param name of `--profile`; without it BTAR_PROFILE, then what `btar profile use` has chosen
 * @throws {BtarError} NOT_FOUND
 */
export async function findProfile(name: string | undefined): Promise<Profile | undefined> {
  const { inUse, profiles } = await readProfiles();
  const asked = name ?? process.env["BTAR_PROFILE"];
  const wanted = asked ?? inUse;
  if (wanted === undefined || wanted === "") return undefined;
  const profile = profiles.get(wanted);
  if (profile || asked === undefined) return profile;
  throw new BtarError("NOT_FOUND", {
    message: `there is no profile ${wanted}`,
    hint: `there are: ${[...profiles.keys()].join(", ") || "none; add one with `btar profile add`"}`,
  });
}

interface StoredProfiles {
  readonly in_use: string | null;
  readonly profiles: Readonly<Record<string, Profile>>;
}

function profilesFile(): string {
  return process.env["BTAR_PROFILES_FILE"] ?? clientFile("profiles.json");
}
