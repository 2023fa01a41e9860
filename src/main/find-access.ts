import type { ApiAccess } from "../cli/api-client.ts";
import type { FindAccess } from "../cli/command-context.ts";
import { BtarError } from "../domain/errors.ts";
import { dataFiles, readSmallFile } from "./data-directory.ts";
import { loadConfiguration } from "./load-configuration.ts";

const defaultProject = "demo";

/**
 * Where a client command finds the API: its options, then the environment, then what `btar up` on this machine has
 * written into its data directory.
 */
export const findAccess: FindAccess = async (options): Promise<ApiAccess> => {
  const url = options.url ?? process.env["BTAR_URL"];
  const token = options.token ?? process.env["BTAR_TOKEN"];
  const project = options.project ?? process.env["BTAR_PROJECT"];
  if (url !== undefined && token !== undefined) {
    return { url: checkedUrl(url), token, project: project ?? defaultProject };
  }
  // Clients do not listen: how the server does is no matter of theirs.
  const { configuration } = await loadConfiguration({ insecureListen: true });
  const files = dataFiles(configuration.dataDirectory);
  const localUrl = await readSmallFile(files.url);
  const found = {
    url: url ?? localUrl,
    // The local token is for the local API, wherever else BTAR_URL points.
    token: token ?? (url === undefined || url === localUrl ? await readSmallFile(files.adminToken) : undefined),
    project: project ?? configuration.project,
  };
  if (found.url !== undefined && found.token !== undefined) {
    return { ...found, url: checkedUrl(found.url), token: found.token };
  }
  throw new BtarError("SERVER_UNREACHABLE", {
    message: found.url
      ? `there is no token for ${found.url}`
      : `no running btar is known: ${configuration.dataDirectory} tells of none`,
    hint: found.url ? "set BTAR_TOKEN" : "start one with `btar up`, or set BTAR_URL and BTAR_TOKEN",
  });
};

function checkedUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, "");
  throw new BtarError("INVALID_INPUT", {
    message: `BTAR_URL is "${text}"`,
    hint: "give http://HOST:PORT or https://HOST",
  });
}
