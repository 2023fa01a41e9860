import { createHash } from "node:crypto";
import { BtarError } from "../../../domain/errors.ts";

/** Directory of a backup for the files that the donor has outside of its data directory. */
export const externalDirectory = "#btar-external";

/** A directory outside of the donor's data directory that tables were put into. */
export interface ExternalLocation {
  /** Where its files are in the backup: `#btar-external/` and 12 hex digits. */
  readonly path: string;
  /** Where it is on the donor, absolute. */
  readonly location: string;
}

/** Files of single tables stay where a restore has put them. */
const isRestoredPath = /^#btar-external\/[0-9a-f]{12}\/[^/]+\/[^/]+$/;

/** Where a file goes in the backup. */
export interface FilePlace {
  readonly path: string;
  /** Undefined when it lies in the data directory. */
  readonly external: ExternalLocation | undefined;
}

/**
 * Finds a safe place for a file of the donor: its own path in the data directory, or one below a directory that stands
 * for a location outside. The place of a location is the same in every backup, so that files are found again.
 *
 * A file of one table is `LOCATION/SCHEMA/TABLE.ibd`, and InnoDB must find it below a directory of that name again. The
 * file of a general tablespace lies in its location itself.
 * @param name as the donor gives it
 * @throws {BtarError} UNSAFE_PATH
 */
export function filePlace(name: Buffer, { isShared }: { readonly isShared: boolean }): FilePlace {
  const text = name.toString("utf8");
  if (!Buffer.from(text).equals(name)) throw unsafe(text, "is not UTF-8");
  const parts = text.split("/");
  const isExternal = text.startsWith("/");
  const own = isExternal ? parts.slice(1) : parts.slice(parts[0] === "." ? 1 : 0);
  if (own.length === 0 || own.some((part) => part === "" || part === "." || part === "..") || text.includes("\0")) {
    throw unsafe(text, "could leave the directory that it belongs in");
  }
  if (!isExternal && own[0] === externalDirectory && !isRestoredPath.test(own.join("/"))) {
    throw unsafe(text, "takes a place that btar uses for other files");
  }
  if (!isExternal) return { path: own.join("/"), external: undefined };
  const locationParts = isShared ? own.slice(0, -1) : own.slice(0, -2);
  const location = `/${locationParts.join("/")}`;
  const path = `${externalDirectory}/${createHash("sha256").update(location).digest("hex").slice(0, 12)}`;
  return { path: [path, ...own.slice(locationParts.length)].join("/"), external: { path, location } };
}

function unsafe(name: string, why: string): BtarError {
  return new BtarError("UNSAFE_PATH", {
    message: `the server names a file ${JSON.stringify(name)}, which ${why}`,
    hint: "check that the address is that of your MySQL server; nothing of the backup was kept",
    details: { file: name },
  });
}

/** Redo files come without a name: number `index` of those that a server of `versionNumber` (such as 90704) makes. */
export function redoPath(index: number, versionNumber: number): string {
  return versionNumber >= 80_030 ? `#innodb_redo/#ib_redo${index}` : `ib_logfile${index}`;
}
