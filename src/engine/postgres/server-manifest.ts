import { createHash, type Hash } from "node:crypto";
import { BtarError } from "../../domain/errors.ts";

/** What arrived of one file. */
export interface ReceivedFile {
  readonly sizeBytes: number;
  /** Undefined when the server was not asked for it. */
  readonly crc32c: number | undefined;
}

/** A file's line is far shorter; whatever is longer is no manifest. */
const maxLineBytes = 64 * 1024;
const newline = 0x0a;

/**
 * Checks what arrived against the backup manifest that the server sends after the files: presence, size and, if asked
 * for, CRC32C of each, and the manifest's own SHA-256. It is checked line by line as it comes, so its size does not matter.
 *
 * The server writes one file per line, which its own checksum rule builds on: the last line holds the SHA-256 of all
 * bytes before it. CRC32C is printed in the byte order of a little-endian server's memory.
 * @see https://www.postgresql.org/docs/current/backup-manifest-format.html
 */
export class ServerManifestCheck {
  readonly #unconfirmed: Map<string, ReceivedFile>;
  readonly #systemId: string;
  readonly #hash: Hash = createHash("sha256");
  #partialLine = Buffer.alloc(0);
  #isComplete = false;

  /**
   * @param received by path; each file that the manifest confirms is taken out
   * @param systemId what a manifest that names a system (17 and later) must name
   */
  constructor(received: Map<string, ReceivedFile>, systemId: string) {
    this.#unconfirmed = received;
    this.#systemId = systemId;
  }

  /** @throws {BtarError} SERVER_DATA_CORRUPT naming the file, SERVER_PROTOCOL */
  read(piece: Uint8Array): void {
    let rest = Buffer.concat([this.#partialLine, piece]);
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
      this.#line(rest.subarray(0, end + 1));
      rest = rest.subarray(end + 1);
    }
    if (rest.length > maxLineBytes) throw malformed(`a line of more than ${maxLineBytes} bytes`);
    this.#partialLine = rest;
  }

  /** @throws {BtarError} SERVER_DATA_CORRUPT when files arrived that are not listed, SERVER_PROTOCOL when it is cut short */
  finish(): void {
    if (!this.#isComplete || this.#partialLine.length > 0) throw malformed("it is cut short");
    const [unlisted] = this.#unconfirmed.keys();
    if (unlisted !== undefined) throw corrupt(unlisted, "arrived but is not in the server's backup manifest");
  }

  #line(line: Buffer): void {
    if (this.#isComplete) throw malformed("something follows its checksum");
    const text = line.toString("utf8").trim().replace(/,$/, "");
    const checksum = /^"Manifest-Checksum": "([0-9a-f]{64})"\}$/.exec(text);
    if (checksum) {
      if (this.#hash.digest("hex") !== checksum[1]) throw malformed("it does not match its own checksum");
      this.#isComplete = true;
      return;
    }
    this.#hash.update(line);
    const system = /^"System-Identifier": (\d+)$/.exec(text);
    if (system && system[1] !== this.#systemId) {
      throw malformed(`it is of system ${system[1]}, and the server said it is ${this.#systemId}`);
    }
    if (/^\{ "(?:Encoded-)?Path"/.test(text)) this.#confirm(text);
  }

  #confirm(text: string): void {
    const listed = parseFile(text);
    const received = this.#unconfirmed.get(listed.path);
    if (!received) throw corrupt(listed.path, "is in the server's backup manifest but did not arrive");
    if (received.sizeBytes !== listed.sizeBytes) {
      throw corrupt(listed.path, `arrived with ${received.sizeBytes} bytes instead of ${listed.sizeBytes}`);
    }
    if (received.crc32c !== undefined && listed.crc32c === undefined) throw malformed(`${text} lacks a checksum`);
    if (received.crc32c !== listed.crc32c)
      throw corrupt(listed.path, "arrived with other content than the server sent");
    this.#unconfirmed.delete(listed.path);
  }
}

function parseFile(text: string): ReceivedFile & { readonly path: string } {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw malformed(`${JSON.stringify(text)} is not JSON`, cause);
  }
  if (typeof file !== "object" || file === null) throw malformed(`${JSON.stringify(text)} is not a file`);
  const fields = new Map<string, unknown>(Object.entries(file));
  const encodedPath = fields.get("Encoded-Path");
  const path = typeof encodedPath === "string" ? Buffer.from(encodedPath, "hex").toString("utf8") : fields.get("Path");
  const sizeBytes = fields.get("Size");
  if (typeof path !== "string" || typeof sizeBytes !== "number") {
    throw malformed(`${JSON.stringify(text)} lacks a path or a size`);
  }
  return { path, sizeBytes, crc32c: parseChecksum(fields.get("Checksum-Algorithm"), fields.get("Checksum")) };
}

function parseChecksum(algorithm: unknown, checksum: unknown): number | undefined {
  if (algorithm === undefined && checksum === undefined) return undefined;
  if (algorithm !== "CRC32C" || typeof checksum !== "string" || !/^[0-9a-f]{8}$/.test(checksum)) {
    throw malformed(`${JSON.stringify(checksum)}, ${JSON.stringify(algorithm)}, is not a CRC32C`);
  }
  return Buffer.from(checksum, "hex").readUInt32LE(0);
}

function corrupt(path: string, what: string): BtarError {
  return new BtarError("SERVER_DATA_CORRUPT", {
    message: `file "${path}" ${what}`,
    hint: "take the base backup again; if it fails the same way, check the network and the server's memory and disks",
    details: { path },
  });
}

function malformed(what: string, cause?: unknown): BtarError {
  return new BtarError("SERVER_PROTOCOL", {
    message: `the server's backup manifest is malformed: ${what}`,
    hint: "take the base backup again",
    ...(cause !== undefined && { cause }),
  });
}
