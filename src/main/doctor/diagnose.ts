import { isBtarError } from "../../domain/errors.ts";
import { databaseUrl } from "../database-url.ts";
import { examineKey } from "../key/examine-key.ts";
import { type ConfigurationChoice, loadConfiguration } from "../load-configuration.ts";
import { isInstalled, openStores } from "../open-parts.ts";
import { checkApi, checkCatalog, checkRecords } from "./catalog-checks.ts";
import { attempt, type Finding, findingsOf } from "./finding.ts";
import { checkConfiguration, checkKeyFile, checkNode, checkPrograms, checkRoom } from "./machine-checks.ts";
import { checkServers } from "./server-checks.ts";
import { checkStores } from "./store-checks.ts";

/** Looks at an installation from this machine, as far as it can be seen. Nothing is changed, and stores are left as they were. */
export async function diagnose(
  choice: Pick<ConfigurationChoice, "config">,
  say: (text: string) => void,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [...(await checkNode())];
  const loaded = await load(choice);
  if ("check" in loaded) return [...findings, loaded];
  const { configuration } = loaded;
  await using parts = new AsyncDisposableStack();
  findings.push(...(await attempt("configuration", "", () => checkConfiguration(loaded))));
  const isFresh = databaseUrl() === undefined && !(await isInstalled(loaded));
  const { masterKey, findings: ofKey } = await checkKeyFile(loaded, { isFresh });
  findings.push(...ofKey);
  findings.push(...(await attempt("programs", "", () => checkPrograms(loaded))));
  findings.push(...(await attempt("room", "", () => checkRoom(configuration))));
  const { findings: ofStores, working } = await checkStores(openStores(loaded, parts), { isFresh });
  findings.push(...ofStores);
  // Before the catalog is started for a moment, if need be: that is no sign that btar runs.
  findings.push(...(await checkApi(configuration)));
  const { catalog, findings: ofCatalog } = await checkCatalog(loaded, { parts, say });
  findings.push(...ofCatalog);
  if (masterKey) {
    const opened = await attempt("key", "", async () =>
      (await examineKey(masterKey.key, { catalog, stores: working })).flatMap(({ where, state, what }) =>
        state === "refused"
          ? [findingsOf("key", where).error(what, "btar key import FILE, from your copy of the right one")]
          : [],
      ),
    );
    findings.push(...opened);
  }
  if (catalog) findings.push(...(await attempt("catalog", "", () => checkRecords(catalog, configuration))));
  if (catalog && masterKey && !findings.some(({ check, severity }) => check === "key" && severity === "error")) {
    const { key } = masterKey;
    findings.push(...(await attempt("server", "", () => checkServers(loaded, { catalog, masterKey: key }))));
  }
  return findings;
}

async function load(choice: Pick<ConfigurationChoice, "config">) {
  try {
    return await loadConfiguration({ ...choice, insecureListen: true });
  } catch (error) {
    if (!isBtarError(error)) throw error;
    return findingsOf("configuration").error(error.message, error.hint ?? "btar configuration explains the file");
  }
}
