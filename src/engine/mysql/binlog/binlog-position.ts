import { BtarError } from "../../../domain/errors.ts";

/**
 * A position in a server's binary logs. The end of a file is also the beginning of the next one: log that goes on
 * behind it begins at offset 0 of that file, so a position behind a whole file is told as that beginning.
 */
export interface BinlogPosition {
  /** Number of the file, its suffix: 123 for `binlog.000123`. */
  readonly file: number;
  /** Bytes from the beginning of the file, the four magic bytes included. */
  readonly offset: number;
}

const fileDigits = 7;
const offsetDigits = 9;
/** MySQL counts on to 2^31 - 1, which a server that began a file each minute would reach in four thousand years. */
const maxFile = 2 ** (4 * fileDigits) - 1;
const maxOffset = 2 ** (4 * offsetDigits) - 1;

/** Numbers have at least six digits in names; there may be more. */
const nameDigits = 6;

/**
 * Writes a position as sortable text, as in object names: the file's number as seven, the offset as nine upper-case
 * hex digits. So positions of one file are apart by as many as there are bytes between them.
 * @throws {BtarError} SERVER_PROTOCOL when a number is too large for it
 */
export function packPosition({ file, offset }: BinlogPosition): string {
  if (!isBetween(file, maxFile) || !isBetween(offset, maxOffset)) {
    throw new BtarError("SERVER_PROTOCOL", {
      message: `position ${offset} of binary log number ${file} is beyond what btar can store`,
      hint: `files are numbered up to ${maxFile} and have up to 64 GiB; RESET BINARY LOGS AND GTIDS numbers them anew`,
    });
  }
  return hex(file, fileDigits) + hex(offset, offsetDigits);
}

/** @throws {BtarError} INVALID_INPUT */
export function unpackPosition(text: string): BinlogPosition {
  if (!/^[0-9A-F]{16}$/.test(text)) {
    throw new BtarError("INVALID_INPUT", {
      message: `"${text}" is not a position in binary logs`,
      hint: "16 upper-case hexadecimal digits: seven of the file's number, nine of the offset in it",
    });
  }
  return {
    file: Number.parseInt(text.slice(0, fileDigits), 16),
    offset: Number.parseInt(text.slice(fileDigits), 16),
  };
}

/** `binlog.000123` */
export function binlogFileName(baseName: string, file: number): string {
  return `${baseName}.${String(file).padStart(nameDigits, "0")}`;
}

/**
 * Takes the name of a binary log apart, as the server says it, with or without a directory.
 * @throws {BtarError} SERVER_PROTOCOL
 */
export function parseBinlogFileName(name: string): { readonly baseName: string; readonly file: number } {
  const [, baseName, digits] = /^(?:.*[/\\])?([^/\\]+)\.(\d{6,10})$/s.exec(name) ?? [];
  if (baseName === undefined || digits === undefined) {
    throw new BtarError("SERVER_PROTOCOL", {
      message: `"${name}" is not the name of a binary log`,
      hint: "a name ends with a dot and a number of six digits or more, such as binlog.000123",
    });
  }
  return { baseName, file: Number(digits) };
}

/** For people: `binlog.000123:4567`. */
export function formatPosition(baseName: string, { file, offset }: BinlogPosition): string {
  return `${binlogFileName(baseName, file)}:${offset}`;
}

/**
 * Reads what `formatPosition` writes, and may have something behind it.
 * @throws {BtarError} SERVER_PROTOCOL
 */
export function parsePosition(text: string): BinlogPosition {
  const [, name = text, offset] = /^(\S+):(\d+)(?:\s|$)/.exec(text) ?? [];
  return { file: parseBinlogFileName(name).file, offset: Number(offset) };
}

function isBetween(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
