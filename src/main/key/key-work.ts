import { exitCodes } from "../../cli/exit-codes.ts";
import { formatMoment, formatPairs, formatTable } from "../../cli/format.ts";
import { BtarError } from "../../domain/errors.ts";
import { readKeyText } from "../../platform/key-text.ts";
import { keyIdOf } from "../../platform/secret-box.ts";
import { makeDataDirectory } from "../data-directory.ts";
import { type LoadedConfiguration, loadConfiguration } from "../load-configuration.ts";
import { openInstalledCatalog, openStores } from "../open-parts.ts";
import { examineKey } from "./examine-key.ts";
import { importKey } from "./import-key.ts";
import type { KeyRequest } from "./key-commands.ts";
import { exportText, lastExport, noteExport } from "./key-export.ts";
import { checkMasterKey, keyFile, readMasterKey, writeKeyFile } from "./master-key.ts";
import { findPassphrase, givenPassphrase, newPassphrase, passphraseIn } from "./passphrase.ts";
import { keyApplicationName, rotateKey, unfinishedRotation } from "./rotate-key.ts";

/** `btar key check`. */
export async function checkKey({ options, output }: KeyRequest): Promise<void> {
  const loaded = await load(options);
  const { dataDirectory } = loaded.configuration;
  const masterKey = await readMasterKey(dataDirectory, { create: false });
  await using parts = new AsyncDisposableStack();
  const catalog = await openInstalledCatalog(loaded, { ...opening(output, parts), isAlone: false });
  const findings = await examineKey(masterKey.key, { catalog, stores: openStores(loaded, parts) });
  const exportedAt = await lastExport(dataDirectory, masterKey.key);
  const isRotationUnfinished = catalog !== undefined && (await unfinishedRotation(catalog.db)) !== undefined;
  const keyId = keyIdOf(masterKey.key);
  const answer = {
    ...{ key_id: keyId, place: masterKey.place, is_protected: masterKey.isProtected },
    ...{ exported_at: exportedAt?.toISOString() ?? null, is_rotation_unfinished: isRotationUnfinished, findings },
  };
  output.answer(answer, () =>
    [
      formatPairs([
        ["key", keyId],
        ["kept in", `${masterKey.place}${masterKey.isProtected ? ", protected by a passphrase" : ""}`],
        ["exported", exportedAt ? formatMoment(exportedAt.toISOString()) : "never from this machine: btar key export"],
        ...(isRotationUnfinished ? [["rotation", "unfinished: say `btar key rotate` again"] as const] : []),
      ]),
      formatTable(
        ["where", "state", "what"],
        findings.map(({ where, state, what }) => [where, state, what]),
      ),
    ].join("\n\n"),
  );
  if (findings.some(({ state }) => state === "refused")) process.exitCode = exitCodes.failed;
  else if (findings.some(({ state }) => state === "unknown")) process.exitCode = exitCodes.unavailable;
}

/** `btar key export`. @returns the text, which is printed unless it goes to a file */
export async function exportKey({ options, output }: KeyRequest): Promise<string> {
  const { dataDirectory } = (await load(options)).configuration;
  const masterKey = await readMasterKey(dataDirectory, { create: false });
  const isGuarded = options.passphrase || options.passphraseFile !== undefined;
  const text = await exportText(masterKey.key, isGuarded ? await newPassphrase(options.passphraseFile) : undefined);
  const answer = { key_id: keyIdOf(masterKey.key), is_protected: isGuarded ?? false };
  if (options.output === undefined) output.answer({ ...answer, text }, () => text.trimEnd());
  else output.answer({ ...answer, file: options.output }, () => `master key ${answer.key_id}`);
  await noteExport(dataDirectory, masterKey.key);
  return text;
}

/** `btar key import`. */
export async function takeKey({ options, output, argument }: KeyRequest, text: string): Promise<void> {
  if (process.env["BTAR_MASTER_KEY"] !== undefined) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: "BTAR_MASTER_KEY gives the master key, so that a file would not be read",
      hint: "set that variable, or import without it",
    });
  }
  const loaded = await load(options);
  const { passphraseFile } = options;
  const askPassphrase = async () =>
    passphraseFile === undefined ? await findPassphrase() : await passphraseIn(passphraseFile);
  const key = await readKeyText(text, { place: argument ?? "standard input", askPassphrase });
  await makeDataDirectory(loaded.configuration);
  await using parts = new AsyncDisposableStack();
  const catalog = await openInstalledCatalog(loaded, { ...opening(output, parts), isAlone: false });
  const findings = await examineKey(key, { catalog, stores: openStores(loaded, parts) });
  for (const { where, state, what } of findings) if (state !== "opens") output.note(`${where}: ${what}`);
  const file = keyFile(loaded.configuration.dataDirectory);
  const imported = await importKey(key, { file, findings, passphrase: await givenPassphrase() });
  const opened = findings.filter(({ state }) => state === "opens").map(({ where }) => where);
  output.answer({ key_id: imported.keyId, file, previous_file: imported.previousFile ?? null, findings }, () =>
    [
      `master key ${imported.keyId} is in ${file}`,
      opened.length > 0 ? `it opens: ${opened.join(", ")}` : "there was nothing yet that it could be checked against",
      ...(imported.previousFile === undefined ? [] : [`the key that was there is in ${imported.previousFile}`]),
    ].join("\n"),
  );
}

/** `btar key protect`. */
export async function protectKey({ options, output }: KeyRequest): Promise<void> {
  const { dataDirectory } = (await load(options)).configuration;
  const { key, file } = await readMasterKey(dataDirectory, { create: false });
  if (file === undefined) {
    throw new BtarError("WRONG_STATE", {
      message: "BTAR_MASTER_KEY gives the master key, and no file that could be protected",
      hint: "set that variable to what `btar key export --passphrase` prints",
    });
  }
  const isProtected = options.remove !== true;
  await writeKeyFile(file, key, isProtected ? await newPassphrase(options.passphraseFile) : undefined);
  output.answer({ key_id: keyIdOf(key), file, is_protected: isProtected }, () =>
    isProtected ? `${file} opens with its passphrase only` : `${file} holds the key as it is`,
  );
}

/** `btar key rotate`. */
export async function rotate({ options, output }: KeyRequest): Promise<void> {
  const loaded = await load(options);
  const { dataDirectory } = loaded.configuration;
  const found = await readMasterKey(dataDirectory, { create: false });
  await using parts = new AsyncDisposableStack();
  const catalog = await openInstalledCatalog(loaded, { ...opening(output, parts), isAlone: true });
  if (!catalog) {
    throw new BtarError("WRONG_STATE", {
      message: "there is no catalog yet, so that nothing is sealed with the master key",
      hint: "start btar first, or set BTAR_DATABASE_URL",
    });
  }
  const masterKey = await checkMasterKey(catalog, found, dataDirectory);
  const passphrase = masterKey.isProtected ? await findPassphrase() : await givenPassphrase();
  const stores = openStores(loaded, parts);
  const say = (line: string) => output.note(line);
  const result = await rotateKey({ catalog, stores, masterKey, dataDirectory, passphrase, say });
  const { keyId, place, isUnfinished } = result;
  const answer = { key_id: keyId, place, is_unfinished: isUnfinished, stores: result.stores };
  output.answer(answer, () =>
    [
      `the master key is ${keyId} now, in ${place}`,
      ...(masterKey.file === undefined ? [`set BTAR_MASTER_KEY to what is in ${place}, then remove that file`] : []),
      "keep a copy elsewhere: btar key export. Other machines of this catalog need it too: btar key import",
      ...result.stores.flatMap((each) => ("trouble" in each ? [`${each.cloud}: ${each.trouble}`] : [])),
      ...(isUnfinished
        ? ["stores that did not answer let the earlier key in as well: say `btar key rotate` again when they do"]
        : ["the earlier key opens nothing any more"]),
    ].join("\n"),
  );
  if (isUnfinished) process.exitCode = exitCodes.unavailable;
}

async function load({ config }: { readonly config?: string }): Promise<LoadedConfiguration> {
  return await loadConfiguration({ config, insecureListen: true });
}

function opening(output: KeyRequest["output"], parts: AsyncDisposableStack) {
  return { parts, applicationName: keyApplicationName, say: (line: string) => output.note(line) };
}
