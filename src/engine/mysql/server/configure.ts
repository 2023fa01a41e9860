import { rename } from "node:fs/promises";
import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { readTextIfThere, syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import type { ServerAddress } from "../../engine.ts";
import type { RunAs } from "../../run-as.ts";
import type { ServerSpec } from "../../server.ts";
import { MysqlConnection } from "../connection.ts";
import { errnoOf } from "../server-error.ts";
import { myCnf, serverSettings, type Setting } from "./configuration-text.ts";
import type { ServerDirectory, ServerState } from "./directory.ts";
import { initConnect } from "./host-access.ts";
import { type MysqlInstallation, programArguments } from "./installations.ts";
import { parseLogLine, withoutMarks } from "./server-log.ts";
import type { SettingValue } from "../../user-settings.ts";
import { changeMomentOf, userSettingNames, variableOf } from "./user-settings.ts";

/** Everything that a server's configuration is made of. */
export interface Configuration {
  readonly directory: ServerDirectory;
  /** `directory.data`, unless that is still being made under another name. */
  readonly dataDirectory: string;
  readonly fileSettings: ServerState["fileSettings"];
  readonly spec: ServerSpec;
  readonly installation: MysqlInstallation;
  readonly runAs: RunAs | undefined;
}

/** Wrong value, wrong type, unknown time zone, unknown variable. */
const refusedSettings = [1231, 1232, 1298, 1193];

/**
 * Writes all configuration of a server that does not run, or that is started again after. The server's own program
 * checks it first, so that a value it does not take is found before a start would fail.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export async function writeConfiguration(configuration: Configuration): Promise<void> {
  const settings = settingsOf(configuration);
  await withChecked(configuration, settings, async () => {
    await writeTlsFiles(configuration);
  });
}

/**
 * Writes the configuration and makes a running server take what it can; nothing is changed when it refuses a value.
 * @param address of the internal account
 * @returns whether some of it only comes into force with a restart
 * @throws {BtarError} INVALID_USER_CONFIG, SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function reconfigure(
  configuration: Configuration,
  address: ServerAddress,
): Promise<{ readonly needsRestart: boolean }> {
  const settings = settingsOf(configuration);
  await using connection = await MysqlConnection.open(address, { signal: new AbortController().signal });
  const current = await currentValues(connection);
  await withChecked(configuration, settings, async () => {
    await changeOnline(connection, settings, current);
    await admit(connection, configuration.spec);
    const isChanged = await writeTlsFiles(configuration);
    if (isChanged) await reloadTls(connection);
  });
  const waiting = settings.filter(({ name, value, changes }) => {
    return changes === "restart" && current.get(variableOf(name)) !== textOf(value);
  });
  return { needsRestart: waiting.length > 0 };
}

/**
 * Lets those in that may come: a server that was just started takes nobody but btar.
 * @param connection of the internal account
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export async function admit(connection: MysqlConnection, spec: ServerSpec): Promise<void> {
  await connection.query("SET GLOBAL init_connect = ?, offline_mode = OFF", [initConnect(spec.userConfig)]);
}

/** Checks `ip_filter`, too, which is not in the file. */
function settingsOf({ spec, directory, fileSettings, installation }: Configuration): readonly Setting[] {
  initConnect(spec.userConfig);
  return serverSettings(spec, { directory, fileSettings, version: installation.version });
}

/** Puts my.cnf in its place once `mysqld --validate-config` has read it without complaint, and `act` has succeeded. */
async function withChecked(
  configuration: Configuration,
  settings: readonly Setting[],
  act: () => Promise<void>,
): Promise<void> {
  const { directory, dataDirectory, installation, runAs } = configuration;
  const unchecked = `${directory.configuration}.unchecked`;
  // Without secrets, for the server's user to read and not to write.
  await writeFileDurably(unchecked, myCnf(settings), { mode: 0o644 });
  try {
    const places = [...programArguments(installation), `--datadir=${dataDirectory}`];
    const args = [`--defaults-file=${unchecked}`, ...places, "--validate-config"];
    await runProgram(installation.program, args, { timeoutMs: 30_000, user: runAs }).catch((cause: unknown) => {
      throw isBtarError(cause, "COMMAND_FAILED") ? refusedConfiguration(installation, cause) : cause;
    });
    await act();
    await rename(unchecked, directory.configuration);
    await syncDirectory(directory.root);
  } catch (error) {
    await unlinkIfThere(unchecked);
    throw error;
  }
}

/** In one statement, of which the server does all or nothing. Settings that are gone get MySQL's defaults again. */
async function changeOnline(
  connection: MysqlConnection,
  settings: readonly Setting[],
  current: ReadonlyMap<string, string>,
): Promise<void> {
  const wanted = new Map(settings.map((setting) => [setting.name, setting]));
  const changed = settings.filter(({ name, value, changes }) => {
    return changes === "online" && current.get(variableOf(name)) !== textOf(value);
  });
  const gone = userSettingNames.filter((name) => {
    return changeMomentOf(name) === "online" && !wanted.has(name) && current.has(variableOf(name));
  });
  const assignments = [
    ...changed.map(({ name }) => `${variableOf(name)} = ?`),
    ...gone.map((name) => `${variableOf(name)} = DEFAULT`),
  ];
  if (assignments.length === 0) return;
  const values = changed.map(({ value }) => (typeof value === "number" ? value : textOf(value)));
  try {
    await connection.query(`SET GLOBAL ${assignments.join(", ")}`, values);
  } catch (cause) {
    if (!isBtarError(cause) || !refusedSettings.includes(errnoOf(cause) ?? 0)) throw cause;
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `user_config.mysql has a value that the server does not take: ${cause.message}`,
      hint: "correct or remove that setting",
      cause,
    });
  }
}

/**
 * Without `NO ROLLBACK`, the server keeps the old certificate when it does not know the authority of the new one, which
 * is none of its business. With it, TLS is off when the files cannot be used at all.
 */
async function reloadTls(connection: MysqlConnection): Promise<void> {
  await connection.query("ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR");
  const { value } = await connection.queryRow(
    `SELECT value FROM performance_schema.tls_channel_status WHERE channel = 'mysql_main' AND property = 'Enabled'`,
  );
  if (value === "Yes") return;
  throw new BtarError("SERVER_REFUSED", {
    message: "MySQL cannot use the service's new certificate",
    hint: "look at the server's log; nobody can connect until it has one that fits its key",
  });
}

async function currentValues(connection: MysqlConnection): Promise<ReadonlyMap<string, string>> {
  const rows = await connection.query(
    "SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_variables",
  );
  return new Map(rows.map(({ name, value }) => [name ?? "", value ?? ""]));
}

/** @returns whether they were others before */
async function writeTlsFiles({ directory, spec, runAs }: Configuration): Promise<boolean> {
  const { certificate, privateKey } = spec.tls;
  const before = await Promise.all([directory.certificate, directory.privateKey].map(readTextIfThere));
  if (before[0] === certificate && before[1] === privateKey) return false;
  await writeFileDurably(directory.certificate, certificate, { mode: 0o644 });
  await writeFileDurably(directory.privateKey, privateKey, { mode: 0o600, owner: runAs });
  return true;
}

/** As the server writes it. */
function textOf(value: SettingValue): string {
  if (typeof value === "boolean") return value ? "ON" : "OFF";
  return String(value);
}

function refusedConfiguration(installation: MysqlInstallation, cause: BtarError): BtarError {
  const lines = cause.message.split("\n").map((line) => parseLogLine(line).message);
  const errors = lines.filter((line) => line.startsWith("[ERROR]")).map(withoutMarks);
  const said = errors.filter((line) => line !== "Aborting").join("; ");
  return new BtarError("INVALID_USER_CONFIG", {
    message: `MySQL ${installation.version} does not take user_config.mysql: ${said || cause.message}`,
    hint: "correct or remove that setting",
    details: { program: path.basename(installation.program) },
    cause,
  });
}
