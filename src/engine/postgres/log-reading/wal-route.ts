import { type Lsn, lsnFromSortable, lsnToSortable, walSegmentStart } from "../../../domain/lsn.ts";
import type { LogLeg, LogPlace, LogRoute } from "../../log-reading.ts";
import { formatStreamName, parseStreamName } from "../stream-name.ts";
import { parseTimelineHistory } from "../timeline-history.ts";

/** So much log before the place is read, too: it holds what transactions did that were open there. */
const readBeforeBytes = 64n * 1024n * 1024n;

export interface WalRouteRequest {
  readonly stop: LogPlace;
  readonly segmentBytes: number;
  /** Streams of which there is log. */
  readonly streams: readonly { readonly stream: string }[];
  readonly history: ReadonlyMap<string, Uint8Array>;
}

/**
 * The way of a server from where a fork left it: to the newest timeline whose history has that place's timeline.
 * @throws {BtarError} SERVER_PROTOCOL when a history is malformed
 */
export function routeOfWal(request: WalRouteRequest): LogRoute {
  const { stop, segmentBytes } = request;
  const own = parseStreamName(stop.stream);
  const stopLsn = lsnFromSortable(stop.position);
  const later = request.streams
    .map(({ stream }) => ({ stream, ...parseStreamName(stream) }))
    .filter(({ systemId, timeline }) => systemId === own.systemId && timeline > own.timeline)
    .sort((a, b) => b.timeline - a.timeline);
  const ownLeg = (until: Lsn | undefined): LogLeg => ({
    stream: stop.stream,
    from: lsnToSortable(startOfReading(stopLsn, segmentBytes)),
    start: stop.position,
    until: until === undefined ? undefined : lsnToSortable(until),
  });
  for (const newest of later) {
    const history = parseTimelineHistory(newest.timeline, textOf(request.history.get(newest.stream)));
    const ownIndex = history.findIndex(({ timeline }) => timeline === own.timeline);
    const leftAt = history[ownIndex]?.end;
    if (leftAt === undefined) continue;
    const isLeftBefore = leftAt < stopLsn;
    const legs: LogLeg[] = isLeftBefore ? [] : [ownLeg(leftAt)];
    for (const [index, entry] of history.entries()) {
      if (index < ownIndex) continue;
      const next = history[index + 1];
      const start = entry.end;
      legs.push({
        stream: formatStreamName({ systemId: own.systemId, timeline: next?.timeline ?? newest.timeline }),
        from: lsnToSortable(walSegmentStart(start, segmentBytes)),
        start: lsnToSortable(start),
        until: next && lsnToSortable(next.end),
      });
    }
    return { legs, leftAt: isLeftBefore ? { stream: stop.stream, position: lsnToSortable(leftAt) } : undefined };
  }
  return { legs: [ownLeg(undefined)], leftAt: undefined };
}

function startOfReading(stop: Lsn, segmentBytes: number): Lsn {
  const early = stop > readBeforeBytes ? stop - readBeforeBytes : 0n;
  const segmentStart = walSegmentStart(stop, segmentBytes);
  return early < segmentStart ? early : segmentStart;
}

function textOf(history: Uint8Array | undefined): string {
  return history ? Buffer.from(history).toString("utf8") : "";
}
