/**
 * What InnoDB says about the data that it sends, in clone mode. All numbers are big-endian. The layouts are those of
 * descriptor version 100: MySQL 8.0 to 9.7.
 */

/** Parts that a clone comes in, in this order. */
export const cloneStates = ["init", "file-copy", "page-copy", "redo-copy", "done"] as const;

export type CloneState = (typeof cloneStates)[number];

/** Which clone a connection is about, as a donor names it; sent back to it as it came. */
export interface LocatorDescriptor {
  readonly kind: "locator";
}

export interface TaskDescriptor {
  readonly kind: "task";
}

/** Where a state begins or ends. */
export interface StateDescriptor {
  readonly kind: "state";
  readonly state: CloneState;
  readonly step: "start" | "end" | "keep-alive";
  readonly chunkCount: number;
  /** Of files; of pages in `page-copy`. */
  readonly fileCount: number;
  /** Estimate, in the master's start only. */
  readonly bytesToSend: number;
}

/** A file of the donor, or what DDL did to one. */
export interface FileDescriptor {
  readonly kind: "file";
  readonly state: CloneState;
  readonly sizeBytes: number;
  /** InnoDB's flags of the tablespace; undefined when it is none. */
  readonly tablespaceFlags: number | undefined;
  readonly isEncrypted: boolean;
  readonly isRenamed: boolean;
  readonly isDeleted: boolean;
  readonly spaceId: number;
  readonly index: number;
  readonly firstChunk: number;
  readonly lastChunk: number;
  /** Bytes of the name, empty for redo files. */
  readonly name: Buffer;
  /** Key and initialization vector of an encrypted tablespace, 64 bytes. */
  readonly key: Buffer | undefined;
}

/** Bytes of a file: they come in the packet that follows. */
export interface DataDescriptor {
  readonly kind: "data";
  readonly state: CloneState;
  /** From 1. */
  readonly chunk: number;
  /** From 1, in its chunk. */
  readonly block: number;
  readonly fileIndex: number;
  readonly lengthBytes: number;
  readonly offset: number;
  /** As it is now. */
  readonly fileSizeBytes: number;
}

export type Descriptor = LocatorDescriptor | TaskDescriptor | StateDescriptor | FileDescriptor | DataDescriptor;

const version = 100;
const headerBytes = 12;
const types = ["locator", "task", "state", "file", "data"] as const;

const minLocatorBytes = 34;
const stateBytes = 46;
const fileBytes = 62;
const keyBytes = 64;
const lengths = { task: 24, state: stateBytes, data: 52 } as const;

const stateFlag = { start: 1, acknowledgement: 2 } as const;
const fileFlag = { encrypted: 4, renamed: 8, deleted: 16, hasKey: 32 } as const;

/** No tablespace is larger (2^32 pages of 64 KiB), and every sum of two such sizes is exact. */
const maxFileBytes = 2 ** 48;
const maxNameBytes = 64 * 1024;
/** The donor's reads are of 64 pages at most. */
const maxDataBytes = 64 * 64 * 1024;
/** So that whoever counts chunks stays within bounds, whatever a donor says: 64 MiB each, this is 2 PiB. */
const maxChunks = 2 ** 25;

/** Makes the error to throw for bytes that mean nothing. */
export type Malformed = (what: string) => Error;

/** @throws what `malformed` makes, for anything that is not exactly a descriptor */
export function parseDescriptor(bytes: Buffer, malformed: Malformed): Descriptor {
  if (bytes.length < headerBytes) throw malformed(`a descriptor of ${bytes.length} bytes`);
  const [given, length, typeNumber] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4), bytes.readUInt32BE(8)];
  if (given !== version) throw malformed(`a descriptor of version ${given}, ${version} is known`);
  if (length !== bytes.length)
    throw malformed(`a descriptor of ${bytes.length} bytes that gives ${length} as its length`);
  const type = types[typeNumber - 1];
  switch (type) {
    case "locator":
      if (length < minLocatorBytes) throw malformed(`a locator of ${length} bytes`);
      return { kind: type };
    case "file":
      return parseFile(bytes, malformed);
    case "task":
    case "state":
    case "data":
      if (length !== lengths[type]) throw malformed(`a ${type} descriptor of ${length} bytes, not ${lengths[type]}`);
      if (type === "task") return { kind: type };
      return type === "state" ? parseState(bytes, malformed) : parseData(bytes, malformed);
    default:
      throw malformed(`a descriptor of type ${typeNumber}`);
  }
}

/** The answer to the end of a state: everything of it is durable here. */
export function acknowledgement(endOfState: Buffer): Buffer {
  const bytes = Buffer.from(endOfState);
  bytes.writeUInt16BE(stateFlag.acknowledgement, 44);
  return bytes;
}

/** Asks for a new clone: a locator of nothing. */
export function versionLocator(): Buffer {
  const bytes = Buffer.alloc(minLocatorBytes);
  bytes.writeUInt32BE(version, 0);
  bytes.writeUInt32BE(minLocatorBytes, 4);
  bytes.writeUInt32BE(types.indexOf("locator") + 1, 8);
  return bytes;
}

/** What a donor must know to go on with a clone whose connections broke. */
export interface RestartPoint {
  /** The state that began last. */
  readonly state: CloneState;
  readonly hasAllFiles: boolean;
  readonly unfinishedChunks: readonly { readonly chunk: number; readonly lastBlock: number }[];
  /** Word by word, a bit for each chunk that something was received of. */
  readonly receivedChunks: Uint32Array;
}

/** @param locator as the donor gave it at first */
export function restartLocator(locator: Buffer, point: RestartPoint): Buffer {
  const { unfinishedChunks, receivedChunks } = point;
  const bytes = Buffer.alloc(minLocatorBytes + 8 + 8 * unfinishedChunks.length + 4 * receivedChunks.length);
  locator.copy(bytes, 0, 0, minLocatorBytes);
  bytes.writeUInt32BE(bytes.length, 4);
  bytes.writeUInt8(cloneStates.indexOf(point.state) + 1, 32);
  bytes.writeUInt8(point.hasAllFiles ? 1 : 0, 33);
  let at = bytes.writeUInt32BE(unfinishedChunks.length, minLocatorBytes);
  for (const { chunk, lastBlock } of unfinishedChunks)
    at = bytes.writeUInt32BE(lastBlock, bytes.writeUInt32BE(chunk, at));
  at = bytes.writeUInt32BE(receivedChunks.length, at);
  for (const word of receivedChunks) at = bytes.writeUInt32BE(word, at);
  return bytes;
}

function parseState(bytes: Buffer, malformed: Malformed): StateDescriptor {
  const flags = bytes.readUInt16BE(44);
  if ((flags & ~(stateFlag.start | stateFlag.acknowledgement)) !== 0)
    throw malformed(`a state with the flags ${flags}`);
  const isStart = (flags & stateFlag.start) !== 0;
  const chunkCount = bytes.readUInt32BE(20);
  if (chunkCount > maxChunks) throw malformed(`a state of ${chunkCount} chunks`);
  return {
    kind: "state",
    state: stateAt(bytes, 12, malformed),
    step: (flags & stateFlag.acknowledgement) !== 0 ? "keep-alive" : isStart ? "start" : "end",
    chunkCount,
    fileCount: bytes.readUInt32BE(24),
    bytesToSend: sizeAt(bytes, 28, malformed),
  };
}

function parseFile(bytes: Buffer, malformed: Malformed): FileDescriptor {
  if (bytes.length < fileBytes) throw malformed(`a file descriptor of ${bytes.length} bytes`);
  const nameBytes = bytes.readUInt32BE(58);
  const flags = bytes.readUInt16BE(40);
  const hasKey = (flags & fileFlag.hasKey) !== 0;
  const nameEnd = fileBytes + nameBytes;
  if (nameBytes > maxNameBytes || bytes.length !== nameEnd + (hasKey ? keyBytes : 0)) {
    throw malformed(`a file descriptor of ${bytes.length} bytes with a name of ${nameBytes}`);
  }
  const name = bytes.subarray(fileBytes, nameEnd);
  if (nameBytes > 0 && name.indexOf(0) !== nameBytes - 1)
    throw malformed("a file name that does not end with its length");
  const [firstChunk, lastChunk] = [bytes.readUInt32BE(50), bytes.readUInt32BE(54)];
  if (firstChunk > maxChunks || lastChunk > maxChunks)
    throw malformed(`a file in the chunks ${firstChunk} to ${lastChunk}`);
  const tablespaceFlags = bytes.readUInt32BE(32);
  return {
    kind: "file",
    state: stateAt(bytes, 12, malformed),
    sizeBytes: sizeAt(bytes, 16, malformed),
    tablespaceFlags: tablespaceFlags === 0xffff_ffff ? undefined : tablespaceFlags,
    isEncrypted: (flags & fileFlag.encrypted) !== 0,
    isRenamed: (flags & fileFlag.renamed) !== 0,
    isDeleted: (flags & fileFlag.deleted) !== 0,
    spaceId: bytes.readUInt32BE(42),
    index: bytes.readUInt32BE(46),
    firstChunk,
    lastChunk,
    name: Buffer.from(name.subarray(0, Math.max(0, nameBytes - 1))),
    key: hasKey ? Buffer.from(bytes.subarray(nameEnd)) : undefined,
  };
}

function parseData(bytes: Buffer, malformed: Malformed): DataDescriptor {
  const [chunk, block, lengthBytes] = [bytes.readUInt32BE(20), bytes.readUInt32BE(24), bytes.readUInt32BE(32)];
  if (chunk === 0 || chunk > maxChunks || block === 0) throw malformed(`data of block ${block} in chunk ${chunk}`);
  if (lengthBytes > maxDataBytes) throw malformed(`a block of ${lengthBytes} bytes`);
  return {
    kind: "data",
    state: stateAt(bytes, 12, malformed),
    chunk,
    block,
    fileIndex: bytes.readUInt32BE(28),
    lengthBytes,
    offset: sizeAt(bytes, 36, malformed),
    fileSizeBytes: sizeAt(bytes, 44, malformed),
  };
}

function stateAt(bytes: Buffer, at: number, malformed: Malformed): CloneState {
  const number = bytes.readUInt32BE(at);
  const state = cloneStates[number - 1];
  if (state === undefined) throw malformed(`a state of number ${number}`);
  return state;
}

function sizeAt(bytes: Buffer, at: number, malformed: Malformed): number {
  const size = bytes.readBigUInt64BE(at);
  if (size > BigInt(maxFileBytes)) throw malformed(`a size of ${size} bytes`);
  return Number(size);
}
