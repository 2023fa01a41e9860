import { BtarError } from "../../domain/errors.ts";
import { type Lsn, parseLsn, type TimelineId } from "../../domain/lsn.ts";
import type { ServerAddress, ServerIdentity } from "../engine.ts";
import type { ReplicationConnection } from "./replication-connection.ts";
import { formatAddress, protocolViolation } from "./server-error.ts";

/** PostgreSQL versions that btar backs up. */
export const oldestMajorVersion = 14;
export const newestMajorVersion = 18;

/** Where a server's history stands. */
export interface WalPosition {
  readonly systemId: string;
  readonly timeline: TimelineId;
  /** All WAL before it is durable on the server. */
  readonly flushed: Lsn;
}

/** What a server says of itself over a replication connection; any role that may replicate can ask. */
export interface ServerDescription {
  readonly identity: ServerIdentity;
  /** Such as 180004. */
  readonly versionNum: number;
  readonly walSegmentBytes: number;
  /** Of data files. */
  readonly blockBytes: number;
  readonly hasDataChecksums: boolean;
}

/** @throws {BtarError} SERVER_REFUSED when the version is not supported, SERVER_PROTOCOL and those of connections */
export async function describeServer(connection: ReplicationConnection): Promise<ServerDescription> {
  const show = async (setting: string) => (await connection.queryRow(`SHOW ${setting}`))[0] ?? "";
  const versionNum = Number(await show("server_version_num"));
  const major = Math.floor(versionNum / 10_000);
  if (!(major >= oldestMajorVersion && major <= newestMajorVersion)) {
    throw unsupported(connection.address, `version ${await show("server_version")}`);
  }
  // 8192 is what all distributions build with; the reader of WAL pages counts on it.
  const walBlockBytes = await show("wal_block_size");
  if (walBlockBytes !== "8192") throw unsupported(connection.address, `a WAL block size of ${walBlockBytes}`);
  const [version = ""] = (await show("server_version")).split(" ");
  const { systemId } = await walPosition(connection);
  return {
    identity: { version, majorVersion: String(major), systemId },
    versionNum,
    walSegmentBytes: parseMemory(connection.address, await show("wal_segment_size")),
    blockBytes: Number(await show("block_size")),
    hasDataChecksums: (await show("data_checksums")) === "on",
  };
}

/** @see https://www.postgresql.org/docs/current/protocol-replication.html IDENTIFY_SYSTEM */
export async function walPosition(connection: ReplicationConnection): Promise<WalPosition> {
  const [systemId = "", timeline = "", flushed = ""] = await connection.queryRow("IDENTIFY_SYSTEM");
  if (!/^\d{1,20}$/.test(systemId) || !/^\d+$/.test(timeline)) {
    throw protocolViolation(connection.address, `system "${systemId}" on timeline "${timeline}"`);
  }
  return { systemId, timeline: Number(timeline), flushed: parseLsn(flushed) };
}

/** A size as SHOW prints it: `16MB`, `1GB`. */
function parseMemory(address: ServerAddress, text: string): number {
  const match = /^(\d+)(B|kB|MB|GB)$/.exec(text);
  if (!match) throw protocolViolation(address, `a size of "${text}"`);
  const unit = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[match[2] ?? ""] ?? Number.NaN;
  return Number(match[1]) * unit;
}

function unsupported(address: ServerAddress, what: string): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `PostgreSQL at ${formatAddress(address)} has ${what}, which btar does not back up`,
    hint: `btar backs up PostgreSQL ${oldestMajorVersion} to ${newestMajorVersion} with WAL blocks of 8 KiB`,
  });
}
