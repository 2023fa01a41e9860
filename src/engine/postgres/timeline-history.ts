import { BtarError } from "../../domain/errors.ts";
import { type Lsn, parseLsn, type TimelineId } from "../../domain/lsn.ts";

/** The timelines that lead to one, oldest first, each with the position where the next one left it. */
export type TimelineHistory = readonly { readonly timeline: TimelineId; readonly end: Lsn }[];

/**
 * Reads a timeline history file (`00000002.history`), of timeline `timeline`.
 * @throws {BtarError} SERVER_PROTOCOL
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/access/transam/timeline.c
 */
export function parseTimelineHistory(timeline: TimelineId, content: string): TimelineHistory {
  const history: { timeline: TimelineId; end: Lsn }[] = [];
  for (const line of content.split("\n")) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const match = /^(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)(?:\s|$)/.exec(text);
    const ancestor = Number(match?.[1]);
    const isAfterLast = ancestor > (history.at(-1)?.timeline ?? 0);
    if (match?.[2] === undefined || !isAfterLast || ancestor >= timeline) {
      throw new BtarError("SERVER_PROTOCOL", {
        message: `the history of timeline ${timeline} has a malformed line: ${JSON.stringify(line)}`,
        hint: "look at the .history files in the server's pg_wal",
      });
    }
    history.push({ timeline: ancestor, end: parseLsn(match[2]) });
  }
  return history;
}

/** Where `timeline` was left, and for which; undefined when it is none of the history's. */
export function timelineEnd(
  history: TimelineHistory,
  timeline: TimelineId,
  newest: TimelineId,
): { readonly end: Lsn; readonly next: TimelineId } | undefined {
  const index = history.findIndex((entry) => entry.timeline === timeline);
  const entry = history[index];
  return entry && { end: entry.end, next: history[index + 1]?.timeline ?? newest };
}

/** The timeline that holds `lsn`. */
export function timelineAt(history: TimelineHistory, newest: TimelineId, lsn: Lsn): TimelineId {
  return history.find((entry) => lsn < entry.end)?.timeline ?? newest;
}
