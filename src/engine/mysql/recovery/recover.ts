import { randomBytes } from "node:crypto";
import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import { microsToDate } from "../../../domain/recovery-target-time.ts";
import { giveTree, lstatIfThere, removeTree } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import { checkTraversable } from "../../run-as.ts";
import type { FeedLog, RecoveryProgress, RecoveryResult, ServerSpec } from "../../server.ts";
import { formatPosition, unpackPosition } from "../binlog/binlog-position.ts";
import { MysqlConnection } from "../connection.ts";
import { putUser } from "../server/accounts.ts";
import { limitRights } from "../server/admin-rights.ts";
import { admit, writeConfiguration } from "../server/configure.ts";
import { layOut, readServerState, type ServerState, writeServerState } from "../server/directory.ts";
import { internalAccountStatements, internalHosts, socketHost, withInitFile } from "../server/internal-account.ts";
import { syncKeyring, requireKeyring, withKeyring } from "../server/keyring.ts";
import { stopServer } from "../server/server-process.ts";
import { type StartRequest, startServer } from "../server/start.ts";
import { moveOut } from "./external-files.ts";
import { gtidBounds } from "./gtid-bounds.ts";
import { cloneDirectory, encryptionSettings, fileSettings, needsKeyring, prepareFiles } from "./prepare-files.ts";
import { recoveryFacts } from "./recovery-facts.ts";
import { readRelayedLog, type RelayedLog, RelayLogRestorer } from "./relay-logs.ts";
import { replayOptions, replayRelayLogs } from "./replay.ts";

/** Works during a recovery only: log that is replayed may change every account that the source has had. */
const recoveryUser = "btar_recovery";
/** Directory in the data directory where log waits to be replayed; MySQL passes over such names. */
const replayDirectory = "#btar-replay";
/** MySQL writes it at the first start on a clone's files. */
const startedMark = "#status_recovery";

export interface Recovery extends StartRequest {
  readonly spec: ServerSpec;
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
  readonly feedLog?: FeedLog | undefined;
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** Where the log of a recovery is laid that finds it there. */
export function replayDirectoryOf(filesDirectory: string): string {
  return path.join(filesDirectory, replayDirectory);
}

/**
 * Makes a running managed server of restored files and log. Each step can be repeated:
 *
 * 1. the files are prepared (`server.json` says `recovering`);
 * 2. a server that nobody can reach is started on them, while the log is fetched, and replays it;
 * 3. accounts are set up, and it is stopped;
 * 4. it is started as it will run, with binary logs of its own (`server.json` says `ready`).
 * @throws {BtarError} RECOVERY_FAILED, CANCELLED, and those of starting a server; it is stopped then
 */
export async function recoverServer(recovery: Recovery): Promise<RecoveryResult> {
  const { directory, spec, logger } = recovery;
  checkRecoverable(recovery);
  const state = await readServerState(directory);
  if (state?.state === "ready") {
    if (!state.recovered) throw serverExists(recovery);
    await startServer(recovery);
    return resultOf(state.recovered);
  }
  try {
    const recovering = await prepare(recovery);
    const recovered = await replay(recovery);
    await stopServer(directory, logger);
    await syncKeyring(directory);
    await removeTree(replayDirectoryOf(directory.data));
    await writeServerState(directory, { ...recovering, state: "ready", recovered });
    await startServer(recovery);
    await using session = await MysqlConnection.open(recovery.address, recovery);
    await admit(session, spec);
    return resultOf(recovered);
  } catch (error) {
    await stopServer(directory, logger);
    throw error;
  }
}

/**
 * Finds out whether a server of an installation can open the files of a base backup: one of the same series that is not
 * older, and with a keyring if they need one.
 * @throws {BtarError} INVALID_INPUT, SERVER_BINARIES_MISSING
 */
export function checkRecoverable({ facts, installation }: Pick<Recovery, "facts" | "installation">): void {
  const { majorVersion, version } = facts.identity;
  const isOlder = numberOf(installation.version) < numberOf(version);
  if (majorVersion !== installation.majorVersion || isOlder) {
    throw new BtarError("INVALID_INPUT", {
      message: `a backup of MySQL ${version} cannot be recovered by version ${installation.version}`,
      hint: `recover it as version ${majorVersion}, with programs of ${version} or later in that series`,
    });
  }
  if (needsKeyring(recoveryFacts(facts))) requireKeyring(installation);
}

function numberOf(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return (major * 100 + minor) * 1000 + patch;
}

function serverExists({ directory }: Recovery): BtarError {
  return new BtarError("ALREADY_EXISTS", {
    message: `${directory.root} holds a server that was not recovered there`,
    hint: "recover into another directory",
  });
}

async function prepare(recovery: Recovery): Promise<ServerState> {
  const { directory, facts, spec, runAs, installation } = recovery;
  if (!(await lstatIfThere(directory.data))) {
    throw new BtarError("WRONG_STATE", {
      message: `${directory.data} does not exist: no files were restored there`,
      hint: "restore a base backup first",
    });
  }
  await layOut(directory, runAs);
  await checkTraversable(directory.root, runAs);
  const known = recoveryFacts(facts);
  const { keyring } = await withKeyring(directory, installation, runAs);
  checkRecoverable({ facts, installation: { ...installation, keyring } });
  const places = await moveOut(directory.data, directory.external);
  if (!(await lstatIfThere(path.join(directory.data, cloneDirectory, startedMark)))) {
    await prepareFiles(directory.data, known, places);
    if (runAs) for (const tree of [directory.data, ...places.values()]) await giveTree(tree, runAs);
  }
  const state: ServerState = {
    state: "recovering",
    majorVersion: spec.majorVersion,
    fileSettings: {
      ...fileSettings(known),
      ...(places.size > 0 && { innodb_directories: directory.external }),
      ...(keyring !== "none" && encryptionSettings(known)),
    },
  };
  await writeConfiguration({
    ...{ directory, dataDirectory: directory.data, fileSettings: state.fileSettings },
    ...{ spec, installation, runAs },
  });
  await writeServerState(directory, state);
  return state;
}

/** Replays the log while nobody can reach the server, and sets up its accounts. */
async function replay(recovery: Recovery): Promise<NonNullable<ServerState["recovered"]>> {
  const { directory, spec, logger, runAs } = recovery;
  // One that an earlier attempt started was started in another way.
  await stopServer(directory, logger);
  const ending = new AbortController();
  const signal = AbortSignal.any([recovery.signal, ending.signal]);
  const fetching = fetchLog(recovery, signal);
  fetching.catch(() => ending.abort()); // thrown below
  const account = { name: recoveryUser, password: `Aa1.${randomBytes(24).toString("base64url")}` };
  const address = { ...recovery.address, user: account.name, password: account.password };
  try {
    await withInitFile(recovery, internalAccountStatements(account), async (initFile) => {
      const overrides = [...replayOptions(), initFile];
      await startServer({ ...recovery, address, overrides, signal });
    });
  } catch (error) {
    ending.abort();
    // What the server was waiting for may be what failed.
    await fetching.catch((cause: unknown) => {
      if (!isBtarError(cause, "CANCELLED")) throw cause;
    });
    throw error;
  }
  const relayed = await fetching;
  await using session = await MysqlConnection.open(address, { signal });
  const { onProgress } = recovery;
  const place = { dataDirectory: directory.data, runAs };
  await replayRelayLogs(replayDirectoryOf(directory.data), { session, ...place, relayed, signal, onProgress });
  const { gtids } = await session.queryRow("SELECT @@GLOBAL.gtid_executed AS gtids");
  const executed = GtidSet.parse(gtids ?? "");
  refuseMore(recovery, relayed, executed);
  const statements = internalAccountStatements(spec.accounts.internal, internalHosts);
  for (const statement of statements) await session.query(statement);
  await limitRights(session, [spec.accounts.internal.name, recoveryUser]);
  await putUser(recovery.address, { ...spec.accounts.admin, isAdmin: true });
  await session.query(`DROP USER ${recoveryUser}@${socketHost}`);
  return {
    stoppedAt: stoppedAt(relayed, executed),
    lastCommitAt: relayed.lastCommitMicros === undefined ? null : microsToDate(relayed.lastCommitMicros).toISOString(),
    ...(relayed.lastGtid !== undefined && { lastGtid: relayed.lastGtid }),
  };
}

/** Which transactions the files hold, only the server knows: none but those that the backup tells, and the log's. */
function refuseMore({ facts }: Recovery, relayed: RelayedLog, executed: GtidSet): void {
  const bounds = gtidBounds(facts);
  if (!bounds) return;
  const more = executed.minus(bounds.atMost).minus(relayed.gtids);
  if (more.isEmpty) return;
  throw new BtarError("RECOVERY_FAILED", {
    message: `the base backup's files hold transactions that it does not tell of: ${more.brief() ?? "more than can be told"}`,
    hint: "use another base backup",
  });
}

async function fetchLog({ directory, facts, plan, feedLog }: Recovery, signal: AbortSignal): Promise<RelayedLog> {
  const place = replayDirectoryOf(directory.data);
  if (feedLog) await feedLog(new RelayLogRestorer(place, facts, plan), signal);
  return await readRelayedLog(place);
}

function stoppedAt({ end }: RelayedLog, executed: GtidSet): string {
  const position = formatPosition("binlog", unpackPosition(end));
  const set = executed.brief();
  return set === undefined ? position : `${position} (${set})`;
}

function resultOf(recovered: NonNullable<ServerState["recovered"]>): RecoveryResult {
  const { stoppedAt: position, lastCommitAt, lastGtid } = recovered;
  return { stoppedAt: position, lastCommitAt: lastCommitAt === null ? undefined : new Date(lastCommitAt), lastGtid };
}
