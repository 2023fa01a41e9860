import { createHash } from "node:crypto";
import { formatLsn, lsnFromSortable } from "../../domain/lsn.ts";
import type { EarlierBackup } from "../engine.ts";
import { parseStreamName } from "./stream-name.ts";

const pieceBytes = 64 * 1024;

/**
 * Visibility maps always come whole. WAL records that clear a page's bits in the map (an update's, a delete's) do not
 * name the map's own block, so WAL summaries miss it, and a map with stale bits gives wrong answers to queries.
 * Measured with 17.10 and 18.4; a map is a 32,000th of its table.
 */
const visibilityMap = /_vm(?:\.\d+)?$/;

/**
 * The manifest of an earlier base backup, as the server wants it before it sends what changed since: which files there
 * are, and which WAL made them consistent. It reads no more of a manifest than this; a file that is not listed comes
 * whole.
 * @returns pieces of about 64 KiB
 * @see https://www.postgresql.org/docs/current/backup-manifest-format.html
 */
export function* uploadedManifest({ log, files }: EarlierBackup): Generator<Buffer, void, undefined> {
  const { systemId, timeline } = parseStreamName(log.stream);
  const [start, end] = [log.start, log.end].map((position) => formatLsn(lsnFromSortable(position)));
  const hash = createHash("sha256");
  let piece: string[] = [];
  let length = 0;
  const take = (text: string): Buffer | undefined => {
    hash.update(text);
    piece.push(text);
    length += text.length;
    if (length < pieceBytes) return undefined;
    const full = Buffer.from(piece.join(""));
    piece = [];
    length = 0;
    return full;
  };
  take(`{ "PostgreSQL-Backup-Manifest-Version": 2,\n"System-Identifier": ${systemId},\n"Files": [`);
  let separator = "\n";
  for (const path of files) {
    if (visibilityMap.test(path)) continue;
    const full = take(`${separator}{ "Path": ${JSON.stringify(path)}, "Size": 0 }`);
    if (full) yield full;
    separator = ",\n";
  }
  take(`\n],\n"WAL-Ranges": [\n{ "Timeline": ${timeline}, "Start-LSN": "${start}", "End-LSN": "${end}" }\n],\n`);
  yield Buffer.from(`${piece.join("")}"Manifest-Checksum": "${hash.digest("hex")}"}\n`);
}
