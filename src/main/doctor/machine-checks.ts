import { stat, statfs } from "node:fs/promises";
import type { BtarConfiguration } from "../../contract/configuration.ts";
import { productNames } from "../../domain/engine-name.ts";
import { describeError, isBtarError } from "../../domain/errors.ts";
import { hashPassword } from "../../platform/password-hash.ts";
import { createLogger } from "../../platform/logger.ts";
import { statIfThere } from "../../platform/files.ts";
import { parseStoreUrl } from "../../object-store/open-object-store.ts";
import { keyIdOf } from "../../platform/secret-box.ts";
import { dataFiles } from "../data-directory.ts";
import { buildEngines } from "../drivers.ts";
import { lastExport } from "../key/key-export.ts";
import { keyFile, readMasterKey } from "../key/master-key.ts";
import type { LoadedConfiguration } from "../load-configuration.ts";
import { btarVersion } from "../version.ts";
import { type Finding, findingsOf } from "./finding.ts";

const gibibyte = 2 ** 30;
const [leastBytes, fewBytes] = [gibibyte, 10 * gibibyte];
const fewShare = 0.1;

/** The Node that runs, and whether it can do all that is needed. */
export async function checkNode(): Promise<readonly Finding[]> {
  const { ok, error } = findingsOf("node");
  try {
    await hashPassword("tried out");
    return [ok(`btar ${btarVersion} under Node ${process.version}`)];
  } catch (cause) {
    return [error(describeError(cause), "start btar with its own Node: npx btar")];
  }
}

/** Whether others can read what is secret in the configuration, and whether the data directory is there. */
export async function checkConfiguration({ configuration, file }: LoadedConfiguration): Promise<readonly Finding[]> {
  const { ok, warning } = findingsOf("configuration");
  const { clouds, dataDirectory } = configuration;
  const found: Finding[] = [
    ok(
      `${file ?? "no file, defaults"}; clouds: ${clouds.map(({ name }) => name).join(", ")}; data in ${dataDirectory}`,
    ),
  ];
  const isSecret = clouds.some(({ storeCredentials }) => storeCredentials !== undefined);
  const mode = file === undefined ? 0 : (await stat(file)).mode;
  if (isSecret && (mode & 0o077) !== 0) {
    found.push(
      warning(
        `others can read ${file}, which holds credentials of a store (mode ${(mode & 0o777).toString(8)})`,
        `chmod 600 ${file}`,
      ),
    );
  }
  if (clouds.length < 2) {
    found.push(warning("there is one cloud only: no backup can have a copy elsewhere", "configure a second cloud"));
  }
  if ((await statIfThere(dataDirectory)) === undefined) {
    found.push(warning(`there is no ${dataDirectory} yet`, "start btar, or name another data_dir"));
  }
  return found;
}

/** The key, as far as this machine alone can tell. @returns it as well; undefined when it cannot be read */
export async function checkKeyFile({ configuration }: LoadedConfiguration, { isFresh }: { readonly isFresh: boolean }) {
  const { ok, warning, error } = findingsOf("key");
  const isMissing = (await statIfThere(keyFile(configuration.dataDirectory))) === undefined;
  if (isFresh && isMissing && process.env["BTAR_MASTER_KEY"] === undefined) {
    const finding = warning(
      "there is none yet",
      "start btar, which makes one; or btar key import FILE, if you have one",
    );
    return { masterKey: undefined, findings: [finding] };
  }
  try {
    const masterKey = await readMasterKey(configuration.dataDirectory, { create: false });
    const exportedAt = await lastExport(configuration.dataDirectory, masterKey.key);
    const id = keyIdOf(masterKey.key);
    // One that the operator has put somewhere is kept elsewhere as well, or is none of btar's business.
    const isOwn = masterKey.file !== dataFiles(configuration.dataDirectory).masterKey;
    const when = exportedAt ? `, exported ${exportedAt.toISOString().slice(0, 10)}` : "";
    const finding =
      exportedAt || isOwn
        ? ok(`${id} in ${masterKey.place}${when}`)
        : warning(
            `${id} in ${masterKey.place} was never exported: if this machine is lost, so are all backups`,
            "btar key export, and keep it elsewhere",
          );
    return { masterKey, findings: [finding] };
  } catch (cause) {
    if (!isBtarError(cause)) throw cause;
    const fix = cause.hint ?? "btar key import FILE";
    return { masterKey: undefined, findings: [error(cause.message, fix)] };
  }
}

/** Which servers this machine could run. */
export async function checkPrograms(loaded: LoadedConfiguration): Promise<readonly Finding[]> {
  const engines = buildEngines(loaded, createLogger({ level: "error" }));
  const found: Finding[] = [];
  for (const engine of ["pg", "mysql"] as const) {
    const { ok, warning } = findingsOf("programs", engine);
    const installed = await engines.of(engine).server.installations();
    const versions = installed.map(({ majorVersion }) => majorVersion).join(", ");
    const none = `this machine has no programs of ${productNames[engine]}: it can neither run nor fork such services`;
    if (versions !== "") found.push(ok(`${productNames[engine]} ${versions}`));
    // The catalog of `btar up` needs PostgreSQL; MySQL is missed by whoever backs such servers up.
    else found.push(engine === "pg" ? warning(none, "npm ci, or engines.pg.VERSION.basedir") : ok(none));
  }
  return found;
}

/** Room where btar keeps things on this machine. */
export async function checkRoom({ dataDirectory, clouds }: BtarConfiguration): Promise<readonly Finding[]> {
  const folders = clouds.flatMap(({ storeUrl }) => {
    const store = parseStoreUrl(storeUrl);
    return store.kind === "file" ? [store.directory] : [];
  });
  const byDevice = new Map<number, string>();
  for (const folder of [dataDirectory, ...folders]) {
    const found = await statIfThere(folder);
    if (found && !byDevice.has(found.dev)) byDevice.set(found.dev, folder);
  }
  return await Promise.all([...byDevice.values()].map(checkFolder));
}

async function checkFolder(folder: string): Promise<Finding> {
  const { ok, warning, error } = findingsOf("room", folder);
  const { bavail, blocks, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const what = `${(free / gibibyte).toFixed(1)} GiB of ${((blocks * bsize) / gibibyte).toFixed(1)} GiB are free`;
  const fix = "make room, or move it to a larger disk";
  if (free < leastBytes) return error(what, fix);
  return free < fewBytes && free < fewShare * blocks * bsize ? warning(what, fix) : ok(what);
}
