import { BtarError } from "../../domain/errors.ts";
import type { ServerIdentity } from "../engine.ts";
import type { MysqlConnection } from "./connection.ts";
import { formatAddress, protocolViolation } from "./server-error.ts";

/** The oldest version that is backed up: the first with the clone plugin. */
export const oldestVersionNumber = 80_017;

/** Who a server is. */
export interface ServerDescription {
  /** Its `systemId` is the `server_uuid`, in lower case. */
  readonly identity: ServerIdentity;
  /** Such as 90704. */
  readonly versionNumber: number;
}

/**
 * Any account can ask.
 * @throws {BtarError} SERVER_REFUSED when the version is not supported, SERVER_PROTOCOL, and those of connections
 */
export async function describeServer(session: MysqlConnection): Promise<ServerDescription> {
  const { version: text, uuid } = await session.queryRow(
    "SELECT @@GLOBAL.version AS version, LOWER(@@GLOBAL.server_uuid) AS uuid",
  );
  const version = parseVersion(text ?? "");
  if (!version || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid ?? "")) {
    throw protocolViolation(session.address, `"${text}" as its version and "${uuid}" as its server_uuid`);
  }
  if (version.versionNumber < oldestVersionNumber) {
    throw new BtarError("SERVER_REFUSED", {
      message: `MySQL at ${formatAddress(session.address)} is version ${version.text}, which btar does not back up`,
      hint: "use MySQL 8.0.17 or later",
    });
  }
  const { text: number, majorVersion, versionNumber } = version;
  return { identity: { version: number, majorVersion, systemId: uuid ?? "" }, versionNumber };
}

/** Takes `9.7.4-2`, and what else distributions add, apart; undefined when it is no version of MySQL. */
export function parseVersion(
  text: string,
): { readonly text: string; readonly majorVersion: string; readonly versionNumber: number } | undefined {
  const [number, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  if (number === undefined || /mariadb/i.test(text)) return undefined;
  const versionNumber = Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
  return { text: number, majorVersion: `${major}.${minor}`, versionNumber };
}
