import type { LogPiece } from "./log-piece.ts";
import type { ObjectRole } from "./sealed-object.ts";

/** Names of a service's objects in a store. See docs/repository-format.md, "Objects". */
export const objectNames = {
  service: (serviceId: string) => `${serviceId}/`,
  manifests: (serviceId: string) => `${serviceId}/base/`,
  manifest: (serviceId: string, backupId: string) => `${serviceId}/base/${backupId}/manifest`,
  pack: (serviceId: string, sha256: string) => `${serviceId}/pack/${sha256.slice(0, 2)}/${sha256}`,
  packs: (serviceId: string) => `${serviceId}/pack/`,
  log: (serviceId: string) => `${serviceId}/log/`,
  logStream: (serviceId: string, stream: string) => `${serviceId}/log/${stream}/`,
  logPiece: (serviceId: string, piece: LogPieceName) =>
    `${serviceId}/log/${piece.stream}/${logFolder(piece.start)}/${logPieceName(piece)}`,
  /** Sorts before all pieces that begin at `position` or later, and after all others. */
  logFrom: (serviceId: string, stream: string, position: string) =>
    `${serviceId}/log/${stream}/${logFolder(position)}/${position}`,
  logHistory: (serviceId: string, stream: string) => `${serviceId}/log/${stream}/${historyName}`,
  descriptions: (serviceId: string) => `${serviceId}/service/`,
  description: (serviceId: string, version: string) => `${serviceId}/service/${version}`,
  keys: (serviceId: string) => `${serviceId}/key/`,
  key: (serviceId: string, keyId: string) => `${serviceId}/key/${keyId}`,
} as const;

/** Sorts after every piece, which start with a hexadecimal digit. */
export const historyName = "history";

/** What a sealed object is, by its name; undefined for packs, keys, and what is not btar's. */
export function sealedRole(serviceId: string, key: string): ObjectRole | undefined {
  if (key.startsWith(objectNames.manifests(serviceId))) return "manifest";
  if (key.startsWith(objectNames.descriptions(serviceId))) return "description";
  if (!key.startsWith(objectNames.log(serviceId))) return undefined;
  return key.endsWith(`/${historyName}`) ? "logHistory" : "logPiece";
}

/** Whether btar gives such a name to objects; others are somebody else's. */
export function isObjectName(serviceId: string, key: string): boolean {
  const [folder = "", ...rest] = key.slice(objectNames.service(serviceId).length).split("/");
  const name = rest.join("/");
  switch (folder) {
    case "base":
      return /^[^/]+\/manifest$/.test(name);
    case "pack":
      return /^[0-9a-f]{64}$/.test(rest[1] ?? "") && key === objectNames.pack(serviceId, rest[1] ?? "");
    case "log":
      return isLogName(rest.slice(1).join("/"));
    case "service":
      return /^[0-9A-Z]+$/.test(name);
    case "key":
      return keyIdPattern.test(name);
    default:
      return false;
  }
}

/** @param name below the stream's folder */
function isLogName(name: string): boolean {
  return name === historyName || parseLogPieceName(name) !== undefined;
}

/** What the name of a log piece says. */
export type LogPieceName = Pick<LogPiece, "stream" | "start" | "end" | "newestCommitMicros">;

/** The folder of a service, in the root of a store. */
export const serviceFolder = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** 16 hex digits, made of the key. */
export const keyIdPattern = /^[0-9a-f]{16}$/;

const folderDigits = 8;
const pieceName = /^([0-9A-F]{8})\/([0-9A-F]{16})-([0-9A-F]{16})-([0-9a-f]{14})$/;

/** Pieces lie in folders by the upper half of their start, so that a folder of files stays small. */
function logFolder(position: string): string {
  return position.slice(0, folderDigits);
}

function logPieceName(piece: Omit<LogPieceName, "stream">): string {
  const newest = (piece.newestCommitMicros ?? 0n).toString(16).padStart(14, "0");
  return `${piece.start}-${piece.end}-${newest}`;
}

/**
 * What the name of a log piece says; undefined for the stream's history, and for what is not btar's.
 * @param name below the stream's folder
 */
export function parseLogPieceName(name: string): Omit<LogPieceName, "stream"> | undefined {
  const [, folder, start, end, newest] = pieceName.exec(name) ?? [];
  if (start === undefined || end === undefined || newest === undefined || start >= end || folder !== logFolder(start)) {
    return undefined;
  }
  const micros = BigInt(`0x${newest}`);
  return { start, end, newestCommitMicros: micros === 0n ? undefined : micros };
}
