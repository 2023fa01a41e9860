import { damagedObjects } from "../../catalog/verification.ts";
import { type BtarError, describeError, isBtarError } from "../../domain/errors.ts";
import type { BaseBackupFacts } from "../../engine/engine.ts";
import type {
  LogBytes,
  LogHole,
  LogLeg,
  LogPlace,
  LogReader,
  LogReadingDriver,
  LogReadingResult,
} from "../../engine/log-reading.ts";
import { throwIfCancelled } from "../../platform/clock.ts";
import type { LogPiece } from "../../repository/log-piece.ts";
import { widestPieces } from "../../repository/log-cover.ts";
import { objectNames } from "../../repository/object-names.ts";
import { type LogPart, readLog } from "../../repository/read-log.ts";
import type { Repository } from "../../repository/repository.ts";
import type { AgentEnvironment } from "../environment.ts";
import { addressOf, type ServiceContext } from "../service-context.ts";
import { storedLog } from "../stored-log.ts";

/** What is read at once: as many transactions as end in it are held in memory. */
const sliceBytes = 1024 * 1024;
const piecesReadAtOnce = 2;

export interface LostLogRequest {
  readonly env: AgentEnvironment;
  readonly source: ServiceContext;
  readonly repository: Repository;
  readonly driver: LogReadingDriver;
  readonly facts: BaseBackupFacts;
  /** Where the fork's log ends. */
  readonly stop: LogPlace;
  readonly reader: LogReader;
  /** Called when some of the log was read. */
  readonly onRead: (readBytes: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What the source's own server said when it was asked. */
export type AskedServer =
  | { readonly state: "read" }
  /** Nobody can ask it, for this reason. */
  | { readonly state: "not-asked" | "unreadable"; readonly trouble: string };

export interface DamagedHole extends LogHole {
  /** Names of stored objects that could have it, and are damaged or missing. */
  readonly objects: readonly string[];
}

export interface LostLog extends Omit<LogReadingResult, "holes"> {
  readonly holes: readonly DamagedHole[];
  /** The server has left its history before the fork's end. */
  readonly leftAt: LogPlace | undefined;
  /** Where the stored log ends, as far as it counts; undefined: none of it lies beyond the fork's end. */
  readonly storeEnd: LogPlace | undefined;
  readonly server: AskedServer;
}

interface DamagedPiece {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  readonly key: string;
}

/** Reads all that a service's primary has beyond a fork's end: first the store, then what only the server holds. */
export async function readLostLog(request: LostLogRequest): Promise<LostLog> {
  const run = new LostLogRun(request);
  const leftAt = await run.readStore();
  const storeEnd = run.reached;
  const server = await run.askServer();
  const { holes, ...result } = await request.reader.finish();
  return { ...result, leftAt, storeEnd, server, holes: holes.map((hole) => withObjects(hole, run.damaged)) };
}

class LostLogRun {
  readonly damaged: DamagedPiece[] = [];
  readonly #request: LostLogRequest;
  readonly #histories = new Map<string, Uint8Array>();
  readonly #streams: { stream: string; start: string }[] = [];
  #reached: LogPlace | undefined;
  #readBytes = 0;

  constructor(request: LostLogRequest) {
    this.#request = request;
  }

  /** Where what was read ends. */
  get reached(): LogPlace | undefined {
    return this.#reached;
  }

  /** @returns where the server left its history before the fork's end, if it did */
  async readStore(): Promise<LogPlace | undefined> {
    const { repository, reader, signal } = this.#request;
    for (const stream of await repository.logStreams({ signal })) {
      const history = await repository.logHistory(stream, { signal });
      if (history) this.#histories.set(stream, history);
      for await (const { start } of repository.logPieces(stream, { signal })) {
        this.#streams.push({ stream, start });
        break;
      }
    }
    const { legs, leftAt } = this.#route();
    for (const leg of legs) {
      await reader.begin(leg, this.#histories.get(leg.stream));
      await this.#readLeg(leg);
    }
    return leftAt;
  }

  /** Reads what the server has and the store has not. That it cannot be asked is an answer, too. */
  async askServer(): Promise<AskedServer> {
    const { env, source, repository, driver, stop, signal } = this.#request;
    const obstacle = whyNotAsked(env, source);
    if (obstacle !== undefined) return { state: "not-asked", trouble: obstacle };
    const from = storedLog(repository, this.#reached ?? stop, signal);
    try {
      for await (const part of driver.readUnstored(addressOf(env, source), { from, signal })) {
        if (part.kind === "bytes") await this.#feed({ stream: this.#reached?.stream ?? stop.stream }, part);
        else await this.#beginStream(part.stream, part.history);
      }
      return { state: "read" };
    } catch (error) {
      if (!isBtarError(error) || !["unavailable", "conflict"].includes(error.kind)) throw error;
      return { state: "unreadable", trouble: describeError(error) };
    }
  }

  #route() {
    const { driver, stop, facts } = this.#request;
    return driver.route({ stop, facts, streams: this.#streams, history: this.#histories });
  }

  async #beginStream(stream: string, history: Buffer | undefined): Promise<void> {
    if (history) this.#histories.set(stream, history);
    if (!this.#streams.some((known) => known.stream === stream)) this.#streams.push({ stream, start: "" });
    const leg = this.#route().legs.find((each) => each.stream === stream);
    if (!leg) return;
    await this.#request.reader.begin(leg, history);
    this.#reached = { stream, position: leg.start };
  }

  async #readLeg(leg: LogLeg): Promise<void> {
    const { repository, signal } = this.#request;
    const to = leg.until === undefined ? {} : { to: leg.until };
    const pieces = this.#sound(repository.logPieces(leg.stream, { signal, from: leg.from, ...to }));
    const ahead: { readonly piece: LogPiece; readonly parts: Promise<readonly LogPart[]> }[] = [];
    try {
      for await (const piece of widestPieces(pieces)) {
        const parts = readLog(repository, piece, { signal });
        parts.catch(() => undefined); // thrown by #readNext in its turn
        ahead.push({ piece, parts });
        if (ahead.length >= piecesReadAtOnce) await this.#readNext(leg, ahead);
      }
      while (ahead.length > 0) await this.#readNext(leg, ahead);
    } finally {
      await Promise.allSettled(ahead.map(({ parts }) => parts));
    }
  }

  async #readNext(
    leg: LogLeg,
    ahead: { readonly piece: LogPiece; readonly parts: Promise<readonly LogPart[]> }[],
  ): Promise<void> {
    const next = ahead.shift();
    if (!next) return;
    const parts = await next.parts.catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      this.#noteDamage(next.piece);
      return [];
    });
    for (const [index, { start, bytes }] of parts.entries()) {
      const end = parts[index + 1]?.start ?? next.piece.end;
      await this.#feed(leg, { start, end, bytes, from: "store" });
    }
  }

  async #feed({ stream }: Pick<LogLeg, "stream">, part: LogBytes): Promise<void> {
    for (let offset = 0; offset === 0 || offset < part.bytes.length; offset += sliceBytes) {
      const bytes = part.bytes.subarray(offset, offset + sliceBytes);
      const isLast = offset + bytes.length === part.bytes.length;
      const end = isLast ? part.end : positionAfter(part.start, offset + bytes.length);
      await this.#request.reader.feed({ ...part, start: positionAfter(part.start, offset), end, bytes });
      throwIfCancelled(this.#request.signal);
      this.#readBytes += bytes.length;
      await this.#request.onRead(this.#readBytes);
    }
    const isBeyond = stream !== this.#request.stop.stream || part.end > this.#request.stop.position;
    if (isBeyond) this.#reached = { stream, position: part.end };
  }

  /** Without objects that are known to be damaged, which others may hold the log of. */
  async *#sound(pieces: AsyncIterable<LogPiece>): AsyncGenerator<LogPiece, void, undefined> {
    const { env, source } = this.#request;
    const known = await damagedObjects(env.catalog.db, { serviceId: source.row.id, cloud: env.cloud });
    const keys = new Set(known.filter(({ kind }) => kind !== "stray").map(({ key }) => key));
    for await (const piece of pieces) {
      if (keys.has(objectNames.logPiece(source.row.id, piece))) this.#noteDamage(piece);
      else yield piece;
    }
  }

  #noteDamage(piece: LogPiece): void {
    const { stream, start, end } = piece;
    this.damaged.push({ stream, start, end, key: objectNames.logPiece(this.#request.source.row.id, piece) });
  }
}

/** The next positions after one count bytes, as in a piece of log. */
function positionAfter(position: string, bytes: number): string {
  return (BigInt(`0x${position}`) + BigInt(bytes)).toString(16).toUpperCase().padStart(16, "0");
}

function isDamage(error: unknown): error is BtarError {
  return isBtarError(error) && error.kind === "damaged";
}

function withObjects(hole: LogHole, damaged: readonly DamagedPiece[]): DamagedHole {
  const objects = damaged
    .filter(({ stream, start, end }) => stream === hole.stream && start < hole.end && end > hole.start)
    .map(({ key }) => key);
  return { ...hole, objects };
}

/** Undefined: its server can be asked. */
export function whyNotAsked(env: AgentEnvironment, { row }: ServiceContext): string | undefined {
  if (row.deleted_at) return `${row.name} was deleted`;
  if (row.kind === "attached") return undefined;
  if (!row.is_powered) return `${row.name} is powered off`;
  if (row.agent_id !== env.agentId) return `its server is on the host of agent ${row.agent_id}, this is ${env.agentId}`;
  return undefined;
}
