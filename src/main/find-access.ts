import type { ApiAccess } from "../cli/api-client.ts";
import type { FindAccess } from "../cli/command-context.ts";
import type { Credentials } from "../cli/login-commands.ts";
import type { Profile } from "../cli/profile-commands.ts";
import { BtarError } from "../domain/errors.ts";
import { readTextIfThere } from "../platform/files.ts";
import { readCredentials } from "./credentials.ts";
import { dataFiles, readSmallFile } from "./data-directory.ts";
import { loadConfiguration } from "./load-configuration.ts";
import { findProfile } from "./profiles.ts";

const defaultProject = "demo";

/**
 * Where a client command finds the API: its options, the environment or a profile, then what `btar login` has left, then
 * what `btar up` on this machine has written into its data directory.
 */
export const findAccess: FindAccess = async (options): Promise<ApiAccess> => {
  const asked = await whatIsAsked(options);
  if (asked.url !== undefined && (asked.token !== undefined || options.isLogin)) {
    return { url: checkedUrl(asked.url), token: asked.token ?? "", project: asked.project ?? defaultProject };
  }
  const login = await currentLogin();
  const isLogin = login !== undefined && [undefined, login.url].includes(asked.url);
  if (isLogin && !options.isLogin) {
    const { url, certificate } = login;
    return { url, token: asked.token ?? login.token, project: asked.project ?? login.project, certificate };
  }
  return await localAccess(asked, options.isLogin ?? false);
};

/**
 * Options, then the profile that is named, then the environment, then the profile in use. A profile's token goes to its
 * own API only.
 */
async function whatIsAsked(options: Parameters<FindAccess>[0]): Promise<Asked> {
  const profile = await findProfile(options.profile);
  // A profile that is named beats the environment; one that is merely in use does not.
  const { BTAR_URL: url, BTAR_TOKEN: token, BTAR_PROJECT: project } = options.profile === undefined ? process.env : {};
  const askedUrl = options.url ?? url ?? profile?.url;
  const own: Partial<Profile> = profile !== undefined && askedUrl === profile.url ? profile : {};
  return {
    url: askedUrl,
    token: options.token ?? token ?? own.token,
    project: options.project ?? project ?? own.project,
  };
}

/** What holds no more is as if nobody were logged in. */
async function currentLogin(): Promise<Credentials | undefined> {
  const login = await readCredentials();
  return login && Date.parse(login.expiresAt) > Date.now() ? login : undefined;
}

interface Asked {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly project: string | undefined;
}

async function localAccess(asked: Asked, isLogin: boolean): Promise<ApiAccess> {
  // Clients do not listen: how the server does is no matter of theirs.
  const { configuration } = await loadConfiguration({ insecureListen: true });
  const files = dataFiles(configuration.dataDirectory);
  const localUrl = await readSmallFile(files.url);
  const url = asked.url ?? localUrl;
  // The local token is for the local API, wherever else BTAR_URL points.
  const isLocal = asked.url === undefined || asked.url === localUrl;
  const token = asked.token ?? (isLocal && !isLogin ? await readSmallFile(files.adminToken) : undefined);
  if (url !== undefined && (token !== undefined || isLogin)) {
    const certificate = isLocal && configuration.tls ? await readTextIfThere(configuration.tls.certificate) : undefined;
    return {
      ...{ url: checkedUrl(url), token: token ?? "", project: asked.project ?? configuration.project },
      certificate: url.startsWith("https:") ? certificate : undefined,
    };
  }
  throw new BtarError("SERVER_UNREACHABLE", {
    message: url
      ? `there is no token for ${url}`
      : `no running btar is known: ${configuration.dataDirectory} tells of none`,
    hint: url
      ? "set BTAR_TOKEN, or log in with `btar login`"
      : "start one with `btar up`, or set BTAR_URL and BTAR_TOKEN",
  });
}

function checkedUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, "");
  throw new BtarError("INVALID_INPUT", {
    message: `BTAR_URL is "${text}"`,
    hint: "give http://HOST:PORT or https://HOST",
  });
}
