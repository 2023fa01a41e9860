import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import { formatTable } from "./format.ts";
import type { LoginMachine } from "./login-commands.ts";
import { Output } from "./output.ts";

/** Where an API is, and with which right; named, so that one need not say it each time. */
export interface Profile {
  readonly url: string;
  /** Without one, that of `btar login` at this API. */
  readonly token?: string;
  readonly project?: string;
}

/** All profiles of a user on a machine, by name. */
export interface Profiles {
  /** What commands use that name none. */
  readonly inUse: string | undefined;
  readonly profiles: ReadonlyMap<string, Profile>;
}

/** What profiles need of the machine. */
export interface ProfileMachine extends Pick<LoginMachine, "askPassword"> {
  readonly readProfiles: () => Promise<Profiles>;
  /** For the user's eyes only. */
  readonly writeProfiles: (profiles: Profiles) => Promise<void>;
}

interface ProfileOptions {
  readonly json?: boolean;
  readonly apiUrl?: string;
  readonly askToken?: boolean;
  readonly defaultProject?: string;
}

/** @param program btar itself */
export function addProfileCommands(program: Command, machine: ProfileMachine): void {
  const profile = program.command("profile").description("profiles: which API to talk to, and with which token");
  const define = (
    text: string,
    description: string,
    work: (output: Output, name: string, options: ProfileOptions) => Promise<void>,
  ): Command => {
    const command = profile.command(text).description(description).option("--json", "print an object for programs");
    return command.action(async () => {
      const options = command.opts<ProfileOptions>();
      await work(new Output({ isJson: options.json ?? false }), command.args[0] ?? "", options);
    });
  };
  define("add <name>", "add a profile, or replace it", async (output, name, options) => {
    const added = await newProfile(name, options, machine);
    const { inUse, profiles } = await machine.readProfiles();
    await machine.writeProfiles({ inUse, profiles: new Map(profiles).set(name, added) });
    output.answer(
      told(name, added, inUse),
      () => `profile ${name} is added; btar profile use ${name} makes it the usual one`,
    );
  })
    .requiredOption("--api-url <url>", "the API: http://HOST:PORT or https://HOST")
    .option("--ask-token", "keep a token with it, from BTAR_TOKEN or typed; else log in with btar login --profile NAME")
    .option("--default-project <name>", "project of commands that name none")
    .addHelpText("after", "\nExample:\n  btar profile add prod --api-url https://btar.example.com --ask-token");
  define("list", "list profiles", async (output) => {
    const { inUse, profiles } = await machine.readProfiles();
    const all = [...profiles].map(([name, each]) => told(name, each, inUse));
    output.answer({ profiles: all }, () =>
      all.length === 0
        ? "no profiles yet; add one with: btar profile add NAME --api-url URL"
        : formatTable(
            ["profile", "API", "project", "token", "in use"],
            all.map((each) => [
              each.name,
              each.url,
              each.project ?? "",
              each.has_token ? "kept" : "of btar login",
              each.is_in_use ? "yes" : "",
            ]),
          ),
    );
  });
  define("use [name]", "make a profile the usual one; without a name, none is", async (output, name) => {
    const { profiles } = await machine.readProfiles();
    if (name !== "" && !profiles.has(name)) throw noProfile(name, profiles);
    await machine.writeProfiles({ inUse: name === "" ? undefined : name, profiles });
    output.answer({ in_use: name || null }, () => (name === "" ? "no profile is in use" : `profile ${name} is in use`));
  });
  define("remove <name>", "remove a profile; its token goes on to hold, until it is revoked", async (output, name) => {
    const { inUse, profiles } = await machine.readProfiles();
    if (!profiles.has(name)) throw noProfile(name, profiles);
    const others = new Map([...profiles].filter(([each]) => each !== name));
    await machine.writeProfiles({ inUse: inUse === name ? undefined : inUse, profiles: others });
    output.answer({ removed: name }, () => `profile ${name} is removed`);
  });
}

async function newProfile(name: string, options: ProfileOptions, machine: ProfileMachine): Promise<Profile> {
  const { apiUrl = "", askToken, defaultProject } = options;
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw new BtarError("INVALID_NAME", {
      message: `"${name}" is no name for a profile`,
      hint: "use letters, digits, . _ -",
    });
  }
  if (!URL.canParse(apiUrl) || !/^https?:$/.test(new URL(apiUrl).protocol)) {
    throw new BtarError("INVALID_INPUT", {
      message: `"${apiUrl}" is no address of an API`,
      hint: "give http://HOST:PORT or https://HOST",
    });
  }
  const token = askToken ? (await machine.askPassword("Token: ", "BTAR_TOKEN")).trim() : undefined;
  return {
    url: apiUrl.replace(/\/+$/, ""),
    ...(token !== undefined && { token }),
    ...(defaultProject !== undefined && { project: defaultProject }),
  };
}

/** Without the token. */
function told(name: string, { url, token, project }: Profile, inUse: string | undefined) {
  return { name, url, project: project ?? null, has_token: token !== undefined, is_in_use: name === inUse };
}

function noProfile(name: string, profiles: Profiles["profiles"]): BtarError {
  return new BtarError("NOT_FOUND", {
    message: `there is no profile ${name}`,
    hint: `there are: ${[...profiles.keys()].join(", ") || "none yet"}`,
  });
}
