import { rename } from "node:fs/promises";
import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { systemClock } from "../../../platform/clock.ts";
import { statIfThere, syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import type { ServerAddress } from "../../engine.ts";
import type { ServerInstallation, ServerSpec } from "../../server.ts";
import { SqlSession } from "../session.ts";
import { postgresqlConf } from "./configuration-text.ts";
import type { ServerDirectory } from "./directory.ts";
import { type Admission, pgHbaConf } from "./host-access.ts";
import type { RunAs } from "../../run-as.ts";

const reloadLimitMs = 10_000;

/** Everything that a server's configuration files are made of. */
export interface Configuration {
  readonly directory: ServerDirectory;
  /** Where they go to: `directory.data`, unless that is still being made under another name. */
  readonly dataDirectory: string;
  readonly spec: ServerSpec;
  readonly walSegmentBytes: number;
  readonly installation: ServerInstallation;
  readonly runAs: RunAs | undefined;
  readonly admission: Admission;
  /** Content of postgresql.auto.conf, which goes before postgresql.conf: the settings of a recovery. */
  readonly recoverySettings?: string | undefined;
}

/**
 * Writes all configuration of a server. The server's own program checks postgresql.conf first, so that a value it
 * does not take is found before a restart would fail.
 *
 * postgresql.auto.conf, where ALTER SYSTEM writes, is emptied unless the server recovers: administrators are no
 * superusers, so that whatever stands there came with the files of a backup.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export async function writeConfiguration(configuration: Configuration): Promise<void> {
  const { directory, dataDirectory, spec, runAs } = configuration;
  const secret = { mode: 0o600, owner: runAs };
  const context = { ...configuration, hasStatStatements: await hasLibrary(configuration, "pg_stat_statements") };
  const settings = postgresqlConf(spec, context);
  const access = pgHbaConf(spec, configuration.admission);
  await writeFileDurably(directory.certificate, spec.tls.certificate, { mode: 0o644 });
  await writeFileDurably(directory.privateKey, spec.tls.privateKey, secret);
  const autoConf = configuration.recoverySettings ?? "# Not used: see postgresql.conf.\n";
  await writeFileDurably(path.join(dataDirectory, "postgresql.auto.conf"), autoConf, secret);
  await writeFileDurably(path.join(dataDirectory, "pg_ident.conf"), "# Not used.\n", secret);
  await replaceChecked(configuration, settings);
  await writeFileDurably(path.join(dataDirectory, "pg_hba.conf"), access, secret);
}

/**
 * Makes a running server take its configuration files.
 * @returns whether some settings wait for a restart
 * @throws {BtarError} SERVER_REFUSED when the server does not take them, TIMED_OUT, SERVER_UNREACHABLE
 */
export async function reloadConfiguration(address: ServerAddress): Promise<{ readonly needsRestart: boolean }> {
  const { signal } = new AbortController();
  let before: string | null | undefined;
  {
    await using session = await SqlSession.open(address, { signal });
    before = await loadTime(session);
    await session.query("select pg_reload_conf()");
  }
  const deadline = Date.now() + reloadLimitMs;
  while (Date.now() < deadline) {
    // A new session has what the main process has loaded.
    await using session = await SqlSession.open(address, { signal });
    if ((await loadTime(session)) !== before) return await loaded(session);
    await systemClock.sleep(20);
  }
  throw new BtarError("TIMED_OUT", {
    message: `PostgreSQL at port ${address.port} did not load its configuration within ${reloadLimitMs / 1000} s`,
    hint: "look at the server's log",
  });
}

async function loaded(session: SqlSession): Promise<{ readonly needsRestart: boolean }> {
  const faults = await session.query(
    `select sourcefile as file, sourceline::text as line, error from pg_file_settings
     where error is not null and error <> 'setting could not be applied'
     union all select 'pg_hba.conf', line_number::text, error from pg_hba_file_rules where error is not null`,
  );
  const [fault] = faults;
  if (fault) {
    throw new BtarError("SERVER_REFUSED", {
      message: `PostgreSQL does not take line ${fault.line} of ${fault.file}: ${fault.error}`,
      hint: "correct the service's user_config",
    });
  }
  const pending = await session.query("select name from pg_settings where pending_restart");
  return { needsRestart: pending.length > 0 };
}

async function loadTime(session: SqlSession): Promise<string | null | undefined> {
  const [row] = await session.query("select pg_conf_load_time() as at");
  return row?.at;
}

/** Puts postgresql.conf in its place once `postgres -C` has read it without complaint. */
async function replaceChecked(configuration: Configuration, settings: string): Promise<void> {
  const { dataDirectory, installation, runAs } = configuration;
  const file = path.join(dataDirectory, "postgresql.conf");
  const unchecked = `${file}.unchecked`;
  await writeFileDurably(unchecked, settings, { mode: 0o600, owner: runAs });
  try {
    const args = ["-C", "port", "-D", dataDirectory, `--config-file=${unchecked}`];
    await runProgram(path.join(installation.basedir, "bin", "postgres"), args, { timeoutMs: 30_000, user: runAs });
    await rename(unchecked, file);
    await syncDirectory(dataDirectory);
  } catch (cause) {
    await unlinkIfThere(unchecked);
    if (!isBtarError(cause, "COMMAND_FAILED")) throw cause;
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `PostgreSQL ${installation.version} does not take user_config.pg: ${complaints(cause)}`,
      hint: "correct or remove that setting",
      cause,
    });
  }
}

/** What the program said of the settings, without times, and without that the file has errors. */
function complaints(cause: BtarError): string {
  const said = cause.message.split("\n").flatMap((line) => / (?:LOG|ERROR|DETAIL|HINT): {2}(.*)/.exec(line)?.[1] ?? []);
  return said.join("; ") || cause.message;
}

async function hasLibrary({ installation }: Configuration, name: string): Promise<boolean> {
  // Where programs were built to be moved, libraries are in lib/postgresql; elsewhere in lib itself.
  const places = ["lib/postgresql", "lib"].flatMap((place) => [`${place}/${name}.so`, `${place}/${name}.dylib`]);
  const found = await Promise.all(places.map((place) => statIfThere(path.join(installation.basedir, place))));
  return found.some((status) => status !== undefined);
}
