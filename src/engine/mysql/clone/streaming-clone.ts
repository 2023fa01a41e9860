import { BtarError, isBtarError } from "../../../domain/errors.ts";
import type { BaseBackupProgress, ScatteredFileSink, ServerAddress } from "../../engine.ts";
import { cancelled, errnoOf, protocolViolation } from "../server-error.ts";
import { CloneAttempt, type CloneConnections } from "./clone-attempt.ts";
import { CloneConnection } from "./clone-connection.ts";
import { cloneErrno, cloneLost } from "./clone-error.ts";
import type { CompleteClone } from "./clone-facts.ts";
import { beginRequest, type DdlChoice, locatorEntry } from "./clone-message.ts";
import { type CloneState, restartLocator, versionLocator } from "./descriptor.ts";
import { asStreamingRefusal, type BegunClone, readDonorParameters, restartWindowMs } from "./donor-parameters.ts";
import { ReceivedClone } from "./received-clone.ts";
import { pause } from "../../../platform/pause.ts";

/** A donor that still has to notice that an earlier clone was broken off does so within this time. */
const otherCloneLimitMs = 60_000;
const retryPauseMs = 1_000;
/** How long DDL that runs may hold up the beginning of a clone that forbids it, as MySQL's own clients do. */
const ddlTimeoutSeconds = 300;

/** A server that has no room for more connections: fewer will do. ER_CON_COUNT_ERROR and its kind. */
const tooManyConnections = new Set([1040, 1203, 1226]);

export interface StreamingCloneOptions {
  readonly signal: AbortSignal;
  /** Of the donor, such as 90704. */
  readonly versionNumber: number;
  /** Connections that data comes by, 1 and up. */
  readonly streamCount: number;
  /** Stored with the files. */
  readonly modifiedAt: Date;
  /** Called once the donor has agreed, before the first file. */
  readonly onStart: () => void;
  /** Awaited when all of a state is stored, before the donor goes on. */
  readonly beforeAcknowledging: (state: CloneState) => Promise<void>;
  readonly onProgress: (progress: BaseBackupProgress) => void;
}

/**
 * Receives a clone of a server's InnoDB data as files. Connections that break are made anew, and the clone goes on
 * where it was, as long as the donor keeps it.
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED (see `isStreamingRefused`), SERVER_PROTOCOL,
 *   SERVER_DATA_CORRUPT, UNSAFE_PATH, CANCELLED, and what the sink throws
 */
export async function streamClone(
  address: ServerAddress,
  sink: ScatteredFileSink,
  options: StreamingCloneOptions,
): Promise<CompleteClone> {
  const { signal } = options;
  const reception = new Reception(address, sink, options);
  const onAbort = () => reception.cancel(cancelled(address, signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) throw cancelled(address, signal.reason);
    return await reception.run();
  } finally {
    signal.removeEventListener("abort", onAbort);
    await reception.end();
  }
}

class Reception {
  readonly #address: ServerAddress;
  readonly #sink: ScatteredFileSink;
  readonly #options: StreamingCloneOptions;
  readonly #ddl: DdlChoice;
  /** Ends all connections, whatever they are doing. */
  readonly #ending = new AbortController();
  readonly #open = new Set<CloneConnection>();
  #attempt: CloneAttempt | undefined;
  #streamCount = 1;
  #restartCount = 0;

  constructor(address: ServerAddress, sink: ScatteredFileSink, options: StreamingCloneOptions) {
    this.#address = address;
    this.#sink = sink;
    this.#options = options;
    // Servers before 8.0.27 would take the mark for a very long time to wait.
    this.#ddl = { isAllowed: options.versionNumber >= 80_027, timeoutSeconds: ddlTimeoutSeconds };
  }

  async run(): Promise<CompleteClone> {
    const { versionNumber } = this.#options;
    const { master, begun } = await this.#begin();
    this.#options.onStart();
    const malformed = (what: string) => protocolViolation(this.#address, what);
    const clone = new ReceivedClone(this.#sink, { malformed, versionNumber });
    await this.#receive(clone, begun, master);
    return {
      files: await clone.finish(this.#options.modifiedAt),
      parameters: begun.parameters,
      isRedoEncrypted: clone.isRedoEncrypted,
      how: {
        method: "streaming",
        isDdlAllowed: this.#ddl.isAllowed,
        streamCount: this.#streamCount,
        restartCount: this.#restartCount,
      },
    };
  }

  cancel(reason: BtarError): void {
    if (this.#attempt) this.#attempt.cancel(reason);
    else this.#ending.abort(reason);
  }

  async end(): Promise<void> {
    await this.#close();
    this.#ending.abort();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#open].map(async (connection) => await connection[Symbol.asyncDispose]()));
    this.#open.clear();
  }

  /** Has the donor begin a clone, once it has ended the one that it may be busy with. */
  async #begin(): Promise<{ readonly master: CloneConnection; readonly begun: BegunClone }> {
    const deadline = Date.now() + otherCloneLimitMs;
    for (;;) {
      const master = await this.#connect();
      try {
        const locators = locatorEntry(versionLocator());
        const answers = await master.ask(beginRequest("init", { ddl: this.#ddl, locators }));
        return { master, begun: readDonorParameters(answers, master) };
      } catch (error) {
        await this.#close();
        if (errnoOf(error) !== cloneErrno.otherClone || Date.now() > deadline) {
          throw asStreamingRefusal(this.#address, error);
        }
      }
      await this.#pause();
    }
  }

  async #receive(clone: ReceivedClone, begun: BegunClone, begunBy: CloneConnection): Promise<void> {
    let master = begunBy;
    const windowMs = restartWindowMs(begun.parameters);
    let [giveUpAt, receivedBytes] = [Date.now() + windowMs, 0];
    for (;;) {
      try {
        await this.#attemptWith(clone, begun, master);
        return;
      } catch (error) {
        // What a connection says after the end of all data changes nothing.
        if (clone.state === "done" && isBtarError(error, "SERVER_UNREACHABLE")) return;
        if (clone.receivedBytes > receivedBytes) giveUpAt = Date.now() + windowMs;
        receivedBytes = clone.receivedBytes;
        master = await this.#resume(clone, begun, { error, giveUpAt });
      }
    }
  }

  async #attemptWith(clone: ReceivedClone, { locator }: BegunClone, master: CloneConnection): Promise<void> {
    const connections: CloneConnections = { master, ...(await this.#connectOthers()) };
    const attempt = new CloneAttempt(clone, connections, {
      locator: locator.entry,
      ddl: this.#ddl,
      beforeAcknowledging: this.#options.beforeAcknowledging,
      onProgress: () => this.#options.onProgress({ doneBytes: clone.receivedBytes, totalBytes: clone.totalBytes }),
    });
    this.#attempt = attempt;
    try {
      if (this.#ending.signal.aborted) throw this.#ending.signal.reason;
      await attempt.run();
    } finally {
      this.#attempt = undefined;
    }
    const { auxiliary, others } = connections;
    // The donor lets the master go when it has let all others go.
    for (const connection of [auxiliary, ...others, master]) await connection.exit();
  }

  /** A connection by which the clone goes on. @throws the error that it broke with, when it cannot */
  async #resume(
    clone: ReceivedClone,
    { locator }: BegunClone,
    broken: { readonly error: unknown; readonly giveUpAt: number },
  ): Promise<CloneConnection> {
    let { error } = broken;
    const restart = restartLocator(locator.locator, clone.interrupted());
    const request = beginRequest("reinit", { ddl: this.#ddl, locators: locatorEntry(restart) });
    for (;;) {
      await this.#close();
      if (!isBtarError(error, "SERVER_UNREACHABLE") || Date.now() >= broken.giveUpAt) throw error;
      await this.#pause();
      try {
        const master = await this.#connect();
        await master.ask(request);
        this.#restartCount += 1;
        return master;
      } catch (next) {
        error = errnoOf(next) === cloneErrno.internal ? cloneLost(this.#address, asError(next)) : next;
        if (error !== next) throw error;
      }
    }
  }

  async #connectOthers(): Promise<Omit<CloneConnections, "master">> {
    const wanted = Array.from({ length: this.#options.streamCount - 1 }, () => this.#connectIfRoom());
    const auxiliary = this.#connect();
    await Promise.allSettled([auxiliary, ...wanted]); // so that none is made later, unseen
    const found = (await Promise.all(wanted)).filter((connection) => connection !== undefined);
    this.#streamCount = 1 + found.length;
    return { auxiliary: await auxiliary, others: found };
  }

  async #connectIfRoom(): Promise<CloneConnection | undefined> {
    try {
      return await this.#connect();
    } catch (error) {
      if (!tooManyConnections.has(errnoOf(error) ?? 0)) throw error;
      return undefined;
    }
  }

  async #connect(): Promise<CloneConnection> {
    const connection = await CloneConnection.open(this.#address, { signal: this.#ending.signal });
    this.#open.add(connection);
    return connection;
  }

  async #pause(): Promise<void> {
    const { signal } = this.#ending;
    await pause(retryPauseMs, signal);
    if (signal.aborted) throw signal.reason;
  }
}

function asError(error: unknown): BtarError {
  if (error instanceof BtarError) return error;
  throw error;
}
