import { setTimeout as delay } from "node:timers/promises";
import { type BtarError, isBtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { errnoOf, unreachable } from "../server-error.ts";
import type { CloneConnection, ReceivedDescriptor } from "./clone-connection.ts";
import { cloneErrno } from "./clone-error.ts";
import { acknowledgeRequest, beginRequest, type DdlChoice, executeRequest } from "./clone-message.ts";
import {
  acknowledgement,
  type CloneState,
  cloneStates,
  type DataDescriptor,
  type FileDescriptor,
  type StateDescriptor,
} from "./descriptor.ts";
import type { ReceivedClone } from "./received-clone.ts";

/** The connections of a clone. All are in clone mode; `master` has begun it. */
export interface CloneConnections {
  readonly master: CloneConnection;
  /** Carries acknowledgements. */
  readonly auxiliary: CloneConnection;
  /** Carry data besides the master. */
  readonly others: readonly CloneConnection[];
}

/** One of the connections that data comes by. */
interface DataStream {
  readonly connection: CloneConnection;
  readonly isMaster: boolean;
  /** The last state that it has brought all of; undefined at first. */
  ended: CloneState | undefined;
}

/** A donor that fails on one connection breaks the others soon; which of it is told first is chance. */
const breakGraceMs = 2_000;
/** A donor that we leave ends its clone at once, unless it is blocked. */
const leaveLimitMs = 5_000;
/** What a clone is ended with: ER_QUERY_INTERRUPTED. */
const interrupted = 1317;

/**
 * Receives a clone by a set of connections, from where it is until it is complete or something fails. All streams are
 * read at the same time; none runs ahead of the master, which names the files and whose end of a state is acknowledged
 * only when the others have brought all of it, and all of it is stored.
 */
export class CloneAttempt {
  readonly #clone: ReceivedClone;
  readonly #connections: CloneConnections;
  readonly #locator: Buffer;
  readonly #ddl: DdlChoice;
  readonly #beforeAcknowledging: (state: CloneState) => Promise<void>;
  readonly #onProgress: () => void;
  readonly #streams = new Set<DataStream>();
  readonly #running = new Set<Promise<void>>();
  readonly #errors: unknown[] = [];
  readonly #failed = Promise.withResolvers<never>();
  #changed = Promise.withResolvers<void>();
  #hasStartedOthers = false;
  #isAcknowledging = false;

  /**
   * @param options.locator entry of the clone, as the donor gave it
   * @param options.beforeAcknowledging awaited when all of a state is stored, before the donor is told
   */
  constructor(
    clone: ReceivedClone,
    connections: CloneConnections,
    options: {
      readonly locator: Buffer;
      readonly ddl: DdlChoice;
      readonly beforeAcknowledging: (state: CloneState) => Promise<void>;
      readonly onProgress: () => void;
    },
  ) {
    this.#clone = clone;
    this.#connections = connections;
    this.#locator = options.locator;
    this.#ddl = options.ddl;
    this.#beforeAcknowledging = options.beforeAcknowledging;
    this.#onProgress = options.onProgress;
    // Whoever waits for it is told; when nobody does, `run` finds the error itself.
    this.#failed.promise.catch(() => undefined);
  }

  /**
   * @returns once everything has come
   * @throws {BtarError} SERVER_UNREACHABLE when the connections broke: the clone can be taken up by others; anything
   *   else is final, and the donor has been told
   */
  async run(): Promise<void> {
    const master: DataStream = { connection: this.#connections.master, isMaster: true, ended: undefined };
    this.#start(master, async () => await this.#read(master));
    if (this.#clone.hasAllFiles) this.#startOthers();
    const failed = this.#failed.promise.catch(() => undefined); // told below
    while (this.#running.size > 0 && this.#errors.length === 0) await Promise.race([...this.#running, failed]);
    if (this.#errors.length === 0) return;
    await this.#awaitBreak();
    const error = this.#decisiveError();
    if (!isBtarError(error, "SERVER_UNREACHABLE")) await this.#tellDonor();
    const { master: first, auxiliary, others } = this.#connections;
    for (const connection of [first, auxiliary, ...others]) connection.abandon(givenUp(connection.address));
    await Promise.all(this.#running);
    throw error;
  }

  /** Ends it, for a reason of ours; `run` rejects with it. */
  cancel(reason: BtarError): void {
    this.#fail(reason);
  }

  #start(stream: DataStream, work: () => Promise<void>): void {
    this.#streams.add(stream);
    const running = work()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running.delete(running);
        this.#streams.delete(stream);
        this.#change();
      });
    this.#running.add(running);
  }

  #startOthers(): void {
    if (this.#hasStartedOthers || this.#errors.length > 0) return;
    this.#hasStartedOthers = true;
    for (const connection of this.#connections.others) {
      const stream: DataStream = { connection, isMaster: false, ended: undefined };
      this.#start(stream, async () => {
        if (await this.#attach(connection)) await this.#read(stream);
      });
    }
  }

  /** @returns false when the clone was complete before the donor came to it */
  async #attach(connection: CloneConnection): Promise<boolean> {
    try {
      await connection.ask(beginRequest("attach", { ddl: this.#ddl, locators: this.#locator }));
      return true;
    } catch (error) {
      if (errnoOf(error) !== cloneErrno.internal) throw error;
      return false;
    }
  }

  async #read(stream: DataStream): Promise<void> {
    const { connection } = stream;
    connection.send(executeRequest);
    while (this.#errors.length === 0) {
      const next = await connection.nextDescriptor();
      if (!next) return this.#onComplete(stream);
      try {
        await this.#take(stream, next);
      } catch (error) {
        this.#fail(error);
      }
    }
    await connection.drain();
  }

  async #take(stream: DataStream, { descriptor, bytes }: ReceivedDescriptor): Promise<void> {
    switch (descriptor.kind) {
      case "task":
        return;
      case "state":
        if (descriptor.step === "start") await this.#onStart(stream, descriptor);
        else if (descriptor.step === "end") await this.#onEnd(stream, descriptor, bytes);
        return;
      case "file":
        return this.#onFile(stream, descriptor);
      case "data":
        return await this.#onData(stream, descriptor);
      case "locator":
        throw stream.connection.malformed("a locator in the data of a clone");
    }
  }

  #onComplete({ connection, isMaster }: DataStream): void {
    if (!isMaster || this.#clone.state === "done") return;
    throw connection.malformed(`the end of the clone in ${this.#clone.state}`);
  }

  async #onStart({ connection, isMaster }: DataStream, said: StateDescriptor): Promise<void> {
    if (isMaster) {
      this.#clone.begin(said);
      if (this.#clone.hasAllFiles) this.#startOthers();
      this.#change();
      this.#onProgress();
      return;
    }
    // Data could else come of files that the master has yet to name, or to rename.
    while (order(said.state) > order(this.#clone.state)) await this.#nextChange();
    if (said.state !== this.#clone.state) throw connection.malformed(`${said.state} during ${this.#clone.state}`);
  }

  async #onEnd(stream: DataStream, said: StateDescriptor, bytes: Buffer): Promise<void> {
    if (said.state !== this.#clone.state) {
      throw stream.connection.malformed(`the end of ${said.state} in ${this.#clone.state}`);
    }
    stream.ended = said.state;
    this.#change();
    if (!stream.isMaster) return;
    while (this.#isAwaited(said.state)) await this.#nextChange();
    await Promise.race([this.#clone.settle(), this.#failed.promise]);
    await this.#beforeAcknowledging(said.state);
    await this.#acknowledge(acknowledgement(bytes));
  }

  #isAwaited(state: CloneState): boolean {
    return [...this.#streams].some(({ ended }) => ended === undefined || order(ended) < order(state));
  }

  async #acknowledge(state: Buffer): Promise<void> {
    if (this.#errors.length > 0) return;
    this.#isAcknowledging = true;
    await this.#connections.auxiliary.ask(acknowledgeRequest(this.#locator, { state }));
    this.#isAcknowledging = false;
  }

  #onFile({ connection, isMaster }: DataStream, said: FileDescriptor): void {
    if (!isMaster && said.state !== this.#clone.state) {
      throw connection.malformed(`file ${said.index} of ${said.state} from another connection than the first`);
    }
    this.#clone.file(said);
    if (this.#clone.hasAllFiles) this.#startOthers();
  }

  async #onData(stream: DataStream, said: DataDescriptor): Promise<void> {
    const { connection } = stream;
    const block = this.#clone.block(said, stream);
    await connection.expectData(said.lengthBytes);
    for (let part = await connection.fragment(); part; part = await connection.fragment()) {
      const writing = block.write(part);
      if (writing) await writing;
    }
    block.end();
    this.#onProgress();
  }

  #fail(error: unknown): void {
    this.#errors.push(error);
    this.#failed.reject(error);
    if (!isOfDonor(error)) this.#clone.abandon(error);
    this.#changed.reject(error);
    this.#changed.promise.catch(() => undefined);
  }

  /** What the donor refuses one connection with may come of the break of another. */
  async #awaitBreak(): Promise<void> {
    const over = delay(breakGraceMs, true, { ref: false });
    while (this.#running.size > 0 && this.#errors.every((error) => isBtarError(error, "SERVER_REFUSED"))) {
      if ((await Promise.race([...this.#running, over])) === true) return;
    }
  }

  /** Ours before the network's, which is before the donor's. */
  #decisiveError(): unknown {
    const own = this.#errors.find((error) => !isOfDonor(error));
    const broken = this.#errors.find((error) => isBtarError(error, "SERVER_UNREACHABLE"));
    return own ?? broken ?? this.#errors[0];
  }

  /** Says that nobody waits for the clone any more, and reads what the donor still has to say. */
  async #tellDonor(): Promise<void> {
    const told = async () => {
      const { auxiliary } = this.#connections;
      if (!this.#isAcknowledging) await auxiliary.ask(acknowledgeRequest(this.#locator, { error: interrupted }));
      await Promise.all(this.#running);
    };
    // Why the clone ends is known; how the donor takes it changes nothing.
    await Promise.race([told().catch(() => undefined), delay(leaveLimitMs, undefined, { ref: false })]);
  }

  #change(): void {
    if (this.#errors.length > 0) return;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #nextChange(): Promise<void> {
    await this.#changed.promise;
  }
}

function order(state: CloneState): number {
  return cloneStates.indexOf(state);
}

function isOfDonor(error: unknown): boolean {
  return isBtarError(error, "SERVER_UNREACHABLE", "SERVER_REFUSED");
}

function givenUp(address: ServerAddress): BtarError {
  return unreachable(address, "the clone was given up");
}
