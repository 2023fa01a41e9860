import type { Malformed } from "./descriptor.ts";

/** Requests and responses of a connection that was put into clone mode. Numbers are little-endian. */

/** The newest version of the protocol that is spoken here. Donors answer with a lower one when they are older. */
export const protocolVersion = 0x0103;
const oldestProtocolVersion = 0x0100;

const command = { init: 1, attach: 2, reinit: 3, execute: 4, acknowledge: 5, exit: 6 } as const;
const innodb = 12;

export const executeRequest = Buffer.from([command.execute]);
export const exitRequest = Buffer.from([command.exit]);

/** How long the donor may wait for a backup lock, and whether it takes one at all. */
export interface DdlChoice {
  readonly isAllowed: boolean;
  readonly timeoutSeconds: number;
}

/**
 * Begins a clone, joins one, or takes one up again.
 * @param locators as LOCS gave them, or made for the purpose
 */
export function beginRequest(
  kind: "init" | "attach" | "reinit",
  { ddl, locators }: { readonly ddl: DdlChoice; readonly locators: Buffer },
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt8(command[kind], 0);
  head.writeUInt32LE(protocolVersion, 1);
  head.writeUInt32LE(((ddl.timeoutSeconds & 0x7fff_ffff) | (ddl.isAllowed ? 0x8000_0000 : 0)) >>> 0, 5);
  return Buffer.concat([head, locators]);
}

/** An entry of a list of locators: that of InnoDB. */
export function locatorEntry(locator: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(innodb, 0);
  head.writeUInt32LE(locator.length, 1);
  return Buffer.concat([head, locator]);
}

/**
 * @param locator entry of the clone, as LOCS gave it
 * @param outcome the state that was received, or the error that ends the clone
 */
export function acknowledgeRequest(
  locator: Buffer,
  outcome: { readonly state: Buffer } | { readonly error: number },
): Buffer {
  const state = "state" in outcome ? outcome.state : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt8(command.acknowledge, 0);
  head.writeUInt32LE("error" in outcome ? outcome.error : 0, 1);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(state.length);
  return Buffer.concat([head, locator, length, state]);
}

/** What a donor says in clone mode. */
export type CloneResponse =
  | { readonly kind: "locators"; readonly version: number; readonly entries: readonly LocatorEntry[] }
  | { readonly kind: "descriptor"; readonly descriptor: Buffer }
  /** A file's bytes; they are not parsed here. */
  | { readonly kind: "data"; readonly bytes: number }
  | { readonly kind: "plugin"; readonly name: string; readonly library: string | undefined }
  | { readonly kind: "config"; readonly key: string; readonly value: string }
  | { readonly kind: "collation"; readonly name: string }
  | { readonly kind: "complete" }
  | { readonly kind: "error"; readonly errno: number; readonly message: string };

export interface LocatorEntry {
  readonly engine: number;
  /** The whole entry, to be sent back. */
  readonly entry: Buffer;
  readonly locator: Buffer;
}

/** First byte of the packets that carry a file's bytes. */
export const dataResponse = 3;

/**
 * @param code first byte of the packet
 * @param body the rest
 * @throws what `malformed` makes
 */
export function parseResponse(code: number, body: Buffer, malformed: Malformed): CloneResponse {
  const fields = new Fields(body, malformed);
  switch (code) {
    case 1:
      return parseLocators(fields, malformed);
    case 2:
      return { kind: "descriptor", descriptor: parseDescription(fields, malformed) };
    case dataResponse:
      return { kind: "data", bytes: body.length };
    case 4:
      return fields.last({ kind: "plugin", name: fields.text(), library: undefined });
    case 5:
    case 8:
    case 9:
      return fields.last({ kind: "config", key: fields.text(), value: fields.text() });
    case 6:
      return fields.last({ kind: "collation", name: fields.text() });
    case 7:
      return fields.last({ kind: "plugin", name: fields.text(), library: fields.text() });
    case 99:
      return fields.last({ kind: "complete" });
    case 100:
      return { kind: "error", errno: fields.number32(), message: fields.rest().toString("utf8") };
    default:
      throw malformed(`a clone response of type ${code}`);
  }
}

function parseLocators(fields: Fields, malformed: Malformed): CloneResponse {
  const version = fields.number32();
  if (version < oldestProtocolVersion || version > protocolVersion) {
    throw malformed(`clone protocol 0x${version.toString(16)}`);
  }
  const entries: LocatorEntry[] = [];
  while (fields.hasMore) {
    const engine = fields.byte();
    const locator = Buffer.from(fields.sized());
    const length = Buffer.alloc(4);
    length.writeUInt32LE(locator.length);
    entries.push({ engine, locator, entry: Buffer.concat([Buffer.from([engine]), length, locator]) });
  }
  return { kind: "locators", version, entries };
}

/** Data of other engines than InnoDB cannot be told apart from it later on. */
function parseDescription(fields: Fields, malformed: Malformed): Buffer {
  const [engine] = [fields.byte(), fields.byte()];
  if (engine !== innodb) throw malformed(`data of a storage engine of number ${engine}`);
  return fields.rest();
}

/** The entry of the only engine that clones. @throws what `malformed` makes */
export function innodbLocator(entries: readonly LocatorEntry[], malformed: Malformed): LocatorEntry {
  const [entry, ...others] = entries;
  if (entry?.engine !== innodb || others.length > 0) {
    throw malformed(`a clone of the storage engines ${entries.map(({ engine }) => engine).join(", ") || "none"}`);
  }
  return entry;
}

class Fields {
  readonly #bytes: Buffer;
  readonly #malformed: Malformed;
  #at = 0;

  constructor(bytes: Buffer, malformed: Malformed) {
    this.#bytes = bytes;
    this.#malformed = malformed;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    return this.#take(1).readUInt8(0);
  }

  number32(): number {
    return this.#take(4).readUInt32LE(0);
  }

  sized(): Buffer {
    return this.#take(this.number32());
  }

  text(): string {
    return this.sized().toString("utf8");
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at);
  }

  /** `response`, after which there must be nothing. */
  last(response: CloneResponse): CloneResponse {
    if (this.hasMore) throw this.#malformed(`${this.#bytes.length - this.#at} bytes after a ${response.kind} response`);
    return response;
  }

  #take(count: number): Buffer {
    if (count > this.#bytes.length - this.#at) {
      throw this.#malformed(`a clone response of ${this.#bytes.length} bytes that is cut short`);
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
