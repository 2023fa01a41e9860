/** A column as rows hold it: of a fixed length, or with its length before it. */
export type RowColumn = { readonly bytes: number } | { readonly prefixBytes: number };

/** What the following events of rows speak of. */
export interface LoggedTable {
  /** `schema.table` */
  readonly name: string;
  /** Undefined: of a type that is not known here, so that its rows cannot be told apart. */
  readonly columns: readonly (RowColumn | undefined)[];
  readonly jsonColumns: number;
}

// field_types.h
const type = {
  float: 4,
  double: 5,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  typedArray: 20,
  vector: 242,
  json: 245,
  newDecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

const fixedBytes: ReadonlyMap<number, number> = new Map([
  [1, 1], // TINYINT
  [2, 2], // SMALLINT
  [3, 4], // INT
  [6, 0], // NULL
  [7, 4], // TIMESTAMP, before 5.6.4
  [8, 8], // BIGINT
  [9, 3], // MEDIUMINT
  [10, 3], // DATE
  [11, 3], // TIME, before 5.6.4
  [12, 8], // DATETIME, before 5.6.4
  [13, 1], // YEAR
  [14, 3], // DATE
]);

const tableIdBytes = 6;
const plainName = /^[\p{L}\p{N}_$]+$/u;

/**
 * Reads a table map event.
 * @param body without head and checksum
 * @throws {RangeError} when it is malformed
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Table__map__event.html
 */
export function readTableMap(body: Buffer): { readonly id: number; readonly table: LoggedTable } {
  const names = new NameReader(body, tableIdBytes + 2);
  const [schema, table] = [names.next(), names.next()];
  let at = names.at;
  const [columnCount, typesAt] = readPacked(body, at);
  at = typesAt + columnCount;
  const [, metadataAt] = readPacked(body, at);
  at = metadataAt;
  let jsonColumns = 0;
  const columns = Array.from({ length: columnCount }, (_, index) => {
    const read = readColumn(body, body.readUInt8(typesAt + index), at);
    at += read.metadataBytes;
    if (read.isJson) jsonColumns += 1;
    return read.column;
  });
  return { id: body.readUIntLE(0, tableIdBytes), table: { name: tableName(schema, table), columns, jsonColumns } };
}

/** As people write it. */
export function tableName(schema: string, table: string): string {
  return [schema, table].map((name) => (plainName.test(name) ? name : `\`${name.replaceAll("`", "``")}\``)).join(".");
}

/** MySQL's packed integer, and where it ends. @throws {RangeError} */
export function readPacked(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes.readUInt8(at);
  if (first < 0xfb) return [first, at + 1];
  if (first === 0xfc) return [bytes.readUInt16LE(at + 1), at + 3];
  if (first === 0xfd) return [bytes.readUIntLE(at + 1, 3), at + 4];
  return [Number(bytes.readBigUInt64LE(at + 1)), at + 9];
}

class NameReader {
  readonly #body: Buffer;
  at: number;

  constructor(body: Buffer, at: number) {
    this.#body = body;
    this.at = at;
  }

  /** A length, a name, and a zero. */
  next(): string {
    const [length, start] = readPacked(this.#body, this.at);
    this.at = start + length + 1;
    if (this.at > this.#body.length) throw new RangeError("a name that is longer than its event");
    return this.#body.toString("utf8", start, start + length);
  }
}

interface ReadColumn {
  readonly column: RowColumn | undefined;
  readonly metadataBytes: number;
  readonly isJson?: boolean;
}

/** @param at of the column's metadata */
function readColumn(body: Buffer, of: number, at: number): ReadColumn {
  const fixed = fixedBytes.get(of);
  if (fixed !== undefined) return { column: { bytes: fixed }, metadataBytes: 0 };
  switch (of) {
    case type.float:
    case type.double:
      return { column: { bytes: body.readUInt8(at) }, metadataBytes: 1 };
    case type.timestamp2:
      return { column: { bytes: 4 + fractionBytes(body.readUInt8(at)) }, metadataBytes: 1 };
    case type.datetime2:
      return { column: { bytes: 5 + fractionBytes(body.readUInt8(at)) }, metadataBytes: 1 };
    case type.time2:
      return { column: { bytes: 3 + fractionBytes(body.readUInt8(at)) }, metadataBytes: 1 };
    case type.json:
      return { column: { prefixBytes: body.readUInt8(at) }, metadataBytes: 1, isJson: true };
    case type.tinyBlob:
    case type.mediumBlob:
    case type.longBlob:
    case type.blob:
    case type.geometry:
    case type.vector:
      return { column: { prefixBytes: body.readUInt8(at) }, metadataBytes: 1 };
    case type.varchar:
      return { column: { prefixBytes: body.readUInt16LE(at) < 256 ? 1 : 2 }, metadataBytes: 2 };
    case type.bit:
      return { column: { bytes: body.readUInt8(at + 1) + (body.readUInt8(at) > 0 ? 1 : 0) }, metadataBytes: 2 };
    case type.newDecimal:
      return { column: { bytes: decimalBytes(body.readUInt8(at), body.readUInt8(at + 1)) }, metadataBytes: 2 };
    case type.enum:
    case type.set:
    case type.string:
    case type.varString:
      return { column: stringColumn(body.readUInt8(at), body.readUInt8(at + 1)), metadataBytes: 2 };
    case type.typedArray:
      // Only in the index of a JSON column; it has what its elements have, and one byte more.
      return { column: undefined, metadataBytes: 1 + arrayMetadataBytes(body, at) };
    default:
      return { column: undefined, metadataBytes: 0 };
  }
}

function arrayMetadataBytes(body: Buffer, at: number): number {
  const element = body.readUInt8(at);
  return element === type.varchar ? 3 : readColumn(body, element, at + 1).metadataBytes;
}

function fractionBytes(digits: number): number {
  return Math.ceil(digits / 2);
}

/** The real type, some of whose bits may belong to the length, and the length. */
function stringColumn(high: number, low: number): RowColumn {
  const isLong = (high & 0x30) !== 0x30;
  const real = isLong ? high | 0x30 : high;
  const length = isLong ? low | (((high & 0x30) ^ 0x30) << 4) : low;
  if (real === type.enum || real === type.set) return { bytes: length };
  return { prefixBytes: length < 256 ? 1 : 2 };
}

/** Nine digits take four bytes; fewer of them take less. */
function decimalBytes(precision: number, scale: number): number {
  const rest = [0, 1, 1, 2, 2, 3, 3, 4, 4] as const;
  const bytesOf = (digits: number) => Math.floor(digits / 9) * 4 + (rest[digits % 9] ?? 0);
  return bytesOf(precision - scale) + bytesOf(scale);
}
