import { setTimeout as delay } from "node:timers/promises";
import { isBtarError } from "../../domain/errors.ts";
import { systemClock } from "../../platform/clock.ts";
import type { BaseBackupFacts, BaseBackupOptions, BaseBackupSink, ServerAddress } from "../engine.ts";
import { BackupLog } from "./binlog/backup-log.ts";
import { cloneErrno, isStreamingRefused } from "./clone/clone-error.ts";
import { type CompleteClone, factsOfClone } from "./clone/clone-facts.ts";
import { type Donor, describeDonor, executedGtids, serverTime } from "./clone/donor.ts";
import { refuseExternalNow } from "./clone/donor-survey.ts";
import type { LocalRecipient } from "./clone/local-recipient.ts";
import { streamClone } from "./clone/streaming-clone.ts";
import { MysqlConnection } from "./connection.ts";
import { addressForKeys, encryptedFileVariables, hasEncryptedTables } from "./encryption.ts";
import { errnoOf } from "./server-error.ts";

/** More gain nothing on two cores, and each is a connection that others may want. */
const defaultStreamCount = 2;
/** Progress is told each time that this much more has arrived. */
const progressStepBytes = 4 * 1024 * 1024;

/** Longest time that a server may be out of reach when all of its files have come. */
const breakLimitMs = 60_000;
const retryPauseMs = 1_000;

const everythingReason = "MySQL cannot say what changed; only what differs is stored";

export interface BaseBackupChoices {
  /** Connections that data comes by. Default: 2. */
  readonly streamCount?: number;
  /**
   * Who receives clones: btar itself (`streaming`), a MySQL of this host (`local`), or the one where the other cannot
   * (`auto`). Default: `auto`.
   */
  readonly clone?: "auto" | "streaming" | "local";
  /** Without it, clones are streamed only. */
  readonly recipient?: LocalRecipient | undefined;
}

/**
 * Takes a base backup: the server's InnoDB files, as it clones them to another server. It sends everything; what is as
 * in an earlier backup is found when it is stored. Not in it: configuration, binary logs, and the rows of tables of
 * other engines.
 *
 * `log.start` lies before all that the files may lack, `log.end` behind all that they hold. Every transaction that the
 * server had committed by `consistentAt`, its own clock, lies before `log.end`, and the files hold nothing that was
 * committed later. Which transactions they hold exactly, the first start of a restore tells. `startedAt` is by the
 * server's clock, too.
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED (details.errno), SERVER_PROTOCOL, SERVER_DATA_CORRUPT,
 *   UNSAFE_PATH, CANCELLED, and what the sink throws
 */
export async function takeBaseBackup(
  address: ServerAddress,
  sink: BaseBackupSink,
  options: BaseBackupOptions,
  choices: BaseBackupChoices = {},
): Promise<BaseBackupFacts> {
  const start = await withSession(address, options, async (session) => await startOf(session, options));
  const taken = await receive(start, sink, { ...options, ...choices });
  const ending = async (session: MysqlConnection) => await factsOf(session, { start, ...taken });
  return await overBreaks(options.signal, async () => await withSession(address, options, ending));
}

type ReceiveOptions = BaseBackupOptions & BaseBackupChoices;

interface ReceivedClone {
  readonly clone: CompleteClone;
  /** Transactions that the files hold surely. */
  readonly atLeast: string;
}

async function receive(start: BackupStart, sink: BaseBackupSink, options: ReceiveOptions): Promise<ReceivedClone> {
  const { clone: choice = "auto", recipient } = options;
  if (choice === "local" && recipient) {
    return await receiveLocally(start, sink, { ...options, recipient, reason: "engines.mysql.clone is local" });
  }
  try {
    return await receiveStreamOverTls(start, sink, options);
  } catch (error) {
    if (choice === "streaming" || !recipient || !isStreamingRefused(error)) throw error;
    return await receiveLocally(start, sink, { ...options, recipient, reason: error.message });
  }
}

/** The server may have encrypted data that the account cannot see, or have it since a moment. */
async function receiveStreamOverTls(
  start: BackupStart,
  sink: BaseBackupSink,
  options: ReceiveOptions,
): Promise<ReceivedClone> {
  try {
    return await receiveStream(start, sink, options);
  } catch (error) {
    const cloneAddress = addressForKeys(start.cloneAddress);
    if (errnoOf(error) !== cloneErrno.needsTls || !cloneAddress || cloneAddress === start.cloneAddress) throw error;
    return await receiveStream({ ...start, cloneAddress }, sink, options);
  }
}

async function receiveStream(
  start: BackupStart,
  sink: BaseBackupSink,
  options: ReceiveOptions,
): Promise<ReceivedClone> {
  let atLeast = start.gtids;
  const clone = await streamClone(start.cloneAddress, sink, {
    signal: options.signal,
    versionNumber: start.donor.versionNumber,
    streamCount: options.streamCount ?? defaultStreamCount,
    modifiedAt: start.at,
    onStart: () => options.onReading?.({ kind: "everything", reason: options.since && everythingReason }),
    // What is committed by then is in what came, or in the redo that is still to come.
    beforeAcknowledging: async (state) => {
      if (state === "page-copy") atLeast = await withSession(start.address, options, executedGtids);
    },
    onProgress: inSteps(options.onProgress),
  });
  return { clone, atLeast };
}

async function receiveLocally(
  start: BackupStart,
  sink: BaseBackupSink,
  options: ReceiveOptions & { readonly recipient: LocalRecipient; readonly reason: string },
): Promise<ReceivedClone> {
  const { recipient, reason, signal, onReading, onProgress } = options;
  const onStart = ({ version }: { readonly version: string }) => {
    const by = `a MySQL ${version} on the agent's host, since ${reason}`;
    onReading?.({ kind: "everything", reason: options.since && everythingReason, by });
  };
  const request = {
    donor: start.donor,
    reason,
    signal,
    modifiedAt: start.at,
    onStart,
    onProgress: inSteps(onProgress),
  };
  const clone = await recipient.receive(start.cloneAddress, sink, request);
  await overBreaks(signal, async () => await refuseExternalNow(start.cloneAddress, request));
  return { clone, atLeast: start.gtids };
}

interface BackupStart {
  readonly address: ServerAddress;
  readonly cloneAddress: ServerAddress;
  readonly log: BackupLog;
  readonly donor: Donor;
  readonly at: Date;
  readonly gtids: string;
}

async function startOf(
  session: MysqlConnection,
  { storedLog, signal }: Pick<BaseBackupOptions, "storedLog" | "signal">,
): Promise<BackupStart> {
  const log = await BackupLog.begin(session, { address: session.address, stored: storedLog, signal });
  const donor = await describeDonor(session);
  const cloneAddress = await cloneAddressOf(session, donor);
  const { address } = session;
  return { address, cloneAddress, log, donor, at: await serverTime(session), gtids: await executedGtids(session) };
}

async function cloneAddressOf(session: MysqlConnection, donor: Donor): Promise<ServerAddress> {
  const { address } = session;
  const other = addressForKeys(address);
  if (!other || other === address) return address;
  const isEncrypted = encryptedFileVariables.some((name) => donor.encryptionSettings.includes(name));
  return isEncrypted || (await hasEncryptedTables(session)) ? other : address;
}

async function factsOf(
  session: MysqlConnection,
  taken: ReceivedClone & { readonly start: BackupStart },
): Promise<BaseBackupFacts> {
  const { start, clone, atLeast } = taken;
  await delay(2); // its clock is read in whole milliseconds, and must not fall before the end of the clone
  const consistentAt = await serverTime(session);
  const log = await start.log.end(session);
  const gtids = { atLeast, atMost: await executedGtids(session) };
  return {
    identity: start.donor.identity,
    log,
    startedAt: start.at,
    consistentAt,
    engineFacts: { ...factsOfClone(start.donor, clone, gtids) },
  };
}

function inSteps(onProgress: BaseBackupOptions["onProgress"]): NonNullable<BaseBackupOptions["onProgress"]> {
  let told = { phase: undefined as string | undefined, bytes: 0 };
  return (progress) => {
    const { phase, doneBytes, totalBytes } = progress;
    if (phase === told.phase && doneBytes - told.bytes < progressStepBytes && doneBytes < totalBytes) return;
    told = { phase, bytes: doneBytes };
    onProgress?.(progress);
  };
}

/** Does not give up what may have taken hours because of the network's last minute. */
async function overBreaks<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + breakLimitMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isBtarError(error, "SERVER_UNREACHABLE") || Date.now() > giveUpAt) throw error;
    }
    await systemClock.sleep(retryPauseMs, signal);
  }
}

async function withSession<T>(
  address: ServerAddress,
  { signal }: { readonly signal: AbortSignal },
  work: (session: MysqlConnection) => Promise<T>,
): Promise<T> {
  await using session = await MysqlConnection.open(address, { signal });
  return await work(session);
}
