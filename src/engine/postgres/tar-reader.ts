import { BtarError } from "../../domain/errors.ts";

/** One member of an archive. */
export interface TarEntry {
  /** Relative, `/`-separated, checked: no absolute name, no `.`, `..` or empty part. No slash at its end. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink";
  readonly sizeBytes: number;
  /** Permission bits, such as 0o600. */
  readonly mode: number;
  readonly modifiedAt: Date;
}

export type TarEvent =
  | { readonly kind: "entry"; readonly entry: TarEntry }
  /** Bytes of the last entry, a view of what was given to `read`. */
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  /** All bytes of the last entry, a file, have been given. */
  | { readonly kind: "end" };

const blockBytes = 512;
const utf8 = new TextDecoder("utf-8", { fatal: true });
const typeByFlag: Readonly<Record<string, TarEntry["type"]>> = {
  "0": "file",
  "\0": "file",
  "5": "directory",
  "2": "symlink",
};

/**
 * Reads one ustar archive as PostgreSQL writes them, from pieces of any size, without copying file contents.
 * PostgreSQL stores names up to 99 bytes in the header itself and sizes from 8 GiB in base 256; it emits no pax or
 * GNU extension headers, so they are refused.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html BASE_BACKUP
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html ustar Interchange Format
 */
export class TarReader {
  /** The beginning of a header that was cut off by the end of a piece. */
  #partialHeader: Buffer | undefined;
  #fileBytesLeft = 0;
  #paddingLeft = 0;
  #isInFile = false;
  #hasEnded = false;

  /**
   * Takes the next piece of the archive.
   * @throws {BtarError} UNSAFE_PATH, SERVER_PROTOCOL
   */
  *read(piece: Buffer): Generator<TarEvent, void, undefined> {
    let rest = piece;
    while (rest.length > 0) {
      if (this.#isInFile) {
        const bytes = rest.subarray(0, this.#fileBytesLeft);
        rest = rest.subarray(bytes.length);
        this.#fileBytesLeft -= bytes.length;
        if (bytes.length > 0) yield { kind: "bytes", bytes };
        if (this.#fileBytesLeft === 0) yield this.#endFile();
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(rest.length, this.#paddingLeft);
        rest = rest.subarray(skipped);
        this.#paddingLeft -= skipped;
      } else {
        const header = this.#takeHeader(rest);
        rest = rest.subarray(Math.min(rest.length, header.takenBytes));
        if (header.block) yield* this.#begin(header.block);
      }
    }
  }

  /**
   * To be called at the end of the archive. The two blocks of zeros that end an archive may be missing, as PostgreSQL
   * 14 leaves them out.
   * @throws {BtarError} SERVER_PROTOCOL when the archive is cut short
   */
  finish(): void {
    if (this.#isInFile || this.#paddingLeft > 0 || this.#partialHeader) {
      throw malformed("it ends in the middle of an entry");
    }
  }

  *#begin(block: Buffer): Generator<TarEvent, void, undefined> {
    if (isZero(block)) {
      this.#hasEnded = true;
      return;
    }
    if (this.#hasEnded) throw malformed("there is an entry after its end");
    const entry = parseHeader(block);
    yield { kind: "entry", entry };
    if (entry.type !== "file") return;
    this.#isInFile = true;
    this.#fileBytesLeft = entry.sizeBytes;
    this.#paddingLeft = (blockBytes - (entry.sizeBytes % blockBytes)) % blockBytes;
    if (entry.sizeBytes === 0) yield this.#endFile();
  }

  #endFile(): TarEvent {
    this.#isInFile = false;
    return { kind: "end" };
  }

  /** The next header, when all of it is there; it may have begun in the piece before. */
  #takeHeader(bytes: Buffer): { readonly block: Buffer | undefined; readonly takenBytes: number } {
    const begun = this.#partialHeader ?? Buffer.alloc(0);
    const takenBytes = blockBytes - begun.length;
    const block =
      begun.length === 0 ? bytes.subarray(0, takenBytes) : Buffer.concat([begun, bytes.subarray(0, takenBytes)]);
    if (block.length === blockBytes) {
      this.#partialHeader = undefined;
      return { block, takenBytes };
    }
    this.#partialHeader = Buffer.from(block);
    return { block: undefined, takenBytes };
  }
}

/** The name of an archive member, checked, without a slash at its end. */
function safePath(name: Uint8Array): string {
  let path: string;
  try {
    path = utf8.decode(name);
  } catch (cause) {
    throw unsafe(Buffer.from(name).toString("latin1"), "is not UTF-8", cause);
  }
  // PostgreSQL writes "./pg_wal/archive_status/", and all other names without "./".
  const parts = path.replace(/^\.\//, "").replace(/\/$/, "").split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    throw unsafe(path, "leaves the data directory");
  if (path.includes("\0")) throw unsafe(path, "contains a NUL character");
  return parts.join("/");
}

function parseHeader(block: Buffer): TarEntry {
  if (readNumber(block, 148, 8) !== checksum(block)) throw malformed("a header does not match its checksum");
  if (block.toString("latin1", 257, 262) !== "ustar") throw malformed("a header is not of the ustar format");
  const flag = block.toString("latin1", 156, 157);
  const type = typeByFlag[flag];
  const prefix = textField(block, 345, 155);
  const name = textField(block, 0, 100);
  const path = safePath(prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]));
  if (!type) throw malformed(`entry "${path}" is of the unexpected type ${JSON.stringify(flag)}`);
  const sizeBytes = readNumber(block, 124, 12);
  if (type !== "file" && sizeBytes > 0) throw malformed(`${type} "${path}" has ${sizeBytes} bytes of content`);
  const modifiedAt = new Date(readNumber(block, 136, 12) * 1000);
  if (Number.isNaN(modifiedAt.getTime())) throw malformed(`entry "${path}" has a time that is none`);
  return { path, type, sizeBytes, mode: readNumber(block, 100, 8) & 0o7777, modifiedAt };
}

/** Octal digits, ended by a space or NUL; or, marked by the highest bit, big-endian base 256. */
function readNumber(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  if (field[0] === 0x80) {
    const value = BigInt(`0x${field.toString("hex", 1)}`);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a number is too large: ${value}`);
    return Number(value);
  }
  const text = field
    .toString("latin1")
    .replace(/[ \0]+$/, "")
    .trimStart();
  if (!/^[0-7]+$/.test(text)) throw malformed(`${JSON.stringify(text)} is not an octal number`);
  return Number.parseInt(text, 8);
}

function textField(block: Buffer, offset: number, length: number): Buffer {
  let end = offset + length;
  while (end > offset && block[end - 1] === 0) end -= 1;
  return block.subarray(offset, end);
}

/** The sum of all bytes, those of the checksum itself (148 to 155) taken as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < blockBytes; i += 1) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return sum;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function malformed(what: string): BtarError {
  return new BtarError("SERVER_PROTOCOL", {
    message: `the server sent a tar archive that is malformed: ${what}`,
    hint: "take the base backup again",
  });
}

function unsafe(path: string, why: string, cause?: unknown): BtarError {
  return new BtarError("UNSAFE_PATH", {
    message: `the server sent a file whose name ${why}: ${JSON.stringify(path)}`,
    hint: "remove or rename the file in the server's data directory",
    ...(cause !== undefined && { cause }),
  });
}
