import { sql } from "kysely";
import { openSecret, sealSecret } from "../platform/secret-box.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** So many of the newest lines are kept of a service. */
const keptLines = 1000;
const maxMessageLength = 4000;

/** A line that a managed server has written to its log. */
export interface LoggedLine {
  /** Undefined for one that goes on from the line before. */
  readonly at: Date | undefined;
  readonly message: string;
}

/** A line with its number: the service's first line ever has 1. */
export interface NumberedLine extends LoggedLine {
  readonly number: number;
  readonly at: Date;
}

/** Where the reading of a server's log goes on. */
export interface LogReadingPlace {
  readonly nextLine: number;
  /** In the server's file, bytes. */
  readonly fileOffset: number;
}

/** Where whoever read a server's log last has ended; its start when nobody has. */
export async function logReadingPlace(db: CatalogDatabase, serviceId: string): Promise<LogReadingPlace> {
  const newest = await db
    .selectFrom("server_log")
    .select(["first_line", "line_count", "file_offset"])
    .where("service_id", "=", serviceId)
    .orderBy("first_line", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!newest) return { nextLine: 1, fileOffset: 0 };
  return { nextLine: newest.first_line + newest.line_count, fileOffset: newest.file_offset };
}

/**
 * Adds lines, and drops what is too much of older ones.
 * @param read.from where reading began
 * @param read.fileOffset where it goes on
 */
export async function appendServerLog(
  db: CatalogDatabase,
  masterKey: Uint8Array,
  read: {
    readonly serviceId: string;
    readonly from: LogReadingPlace;
    readonly lines: readonly LoggedLine[];
    readonly fileOffset: number;
  },
): Promise<LogReadingPlace> {
  const { serviceId, from, fileOffset } = read;
  const lines = read.lines.slice(-keptLines);
  const nextLine = from.nextLine + lines.length;
  const rows = lines.map(({ at, message }) => [at?.getTime() ?? null, message.slice(0, maxMessageLength)]);
  await db
    .insertInto("server_log")
    .values({
      service_id: serviceId,
      first_line: from.nextLine,
      line_count: lines.length,
      sealed_lines: sealSecret(masterKey, serverLogPurpose(serviceId), JSON.stringify(rows)),
      file_offset: fileOffset,
      stored_at: new Date(),
    })
    .execute();
  await db
    .deleteFrom("server_log")
    .where("service_id", "=", serviceId)
    .where(sql<number>`first_line + line_count`, "<=", nextLine - keptLines)
    .execute();
  return { nextLine, fileOffset };
}

/** The lines that are kept, oldest first. @throws {BtarError} KEY_UNAVAILABLE */
export async function readServerLog(
  db: CatalogDatabase,
  masterKey: Uint8Array,
  serviceId: string,
): Promise<readonly NumberedLine[]> {
  const rows = await db
    .selectFrom("server_log")
    .select(["first_line", "sealed_lines", "stored_at"])
    .where("service_id", "=", serviceId)
    .orderBy("first_line")
    .execute();
  return rows.flatMap(({ first_line, sealed_lines, stored_at }) => {
    // Sealed by btar for this service: authentic, so its shape is what was sealed.
    const lines = JSON.parse(openSecret(masterKey, serverLogPurpose(serviceId), sealed_lines)) as [
      number | null,
      string,
    ][];
    let at = new Date(lines.find(([time]) => time !== null)?.[0] ?? stored_at);
    return lines.map(([time, message], index) => {
      if (time !== null) at = new Date(time);
      return { number: first_line + index, at, message };
    });
  });
}

/** What the lines of a service are sealed for. */
export function serverLogPurpose(serviceId: string): string {
  return `server-log ${serviceId}`;
}
