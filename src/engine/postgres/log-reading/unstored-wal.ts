import { formatLsn, type Lsn, lsnToSortable, type TimelineId } from "../../../domain/lsn.ts";
import type { ServerAddress, StoredLog } from "../../engine.ts";
import type { UnstoredLog } from "../../log-reading.ts";
import { copyDoneMessage } from "../backend-message.ts";
import { chooseLogStart, startOfTimeline } from "../log-start.ts";
import { readHistory } from "../log-stream.ts";
import { ReplicationConnection } from "../replication-connection.ts";
import { describeServer, walPosition } from "../server-description.ts";
import { protocolViolation } from "../server-error.ts";
import { formatStreamName } from "../stream-name.ts";
import { parseTimelineHistory, timelineEnd } from "../timeline-history.ts";
import { keepaliveBytes, parseKeepalive, parseWalHead, standbyStatusMessage, walHeadBytes } from "../wal-message.ts";

const silenceLimitMs = 30_000;
const answerEveryMs = 1_000;

/**
 * Reads the WAL that a server has beyond what is stored, up to where it is now, on all timelines that lead there. It
 * uses no slot, which the archiver may hold, and tells the server of nothing that is durable.
 */
export async function* readUnstoredWal(
  address: ServerAddress,
  { from, signal }: { readonly from: StoredLog; readonly signal: AbortSignal },
): AsyncGenerator<UnstoredLog, void, undefined> {
  await using connection = await ReplicationConnection.open(address, { signal, silenceLimitMs });
  const { walSegmentBytes } = await describeServer(connection);
  const position = await walPosition(connection);
  const newest = await readHistory(connection, position.timeline);
  const history = parseTimelineHistory(position.timeline, newest?.toString("utf8") ?? "");
  const reservation = { restartLsn: 0n, isStandby: false };
  let { timeline, start } = chooseLogStart(from, { position, history, reservation, segmentBytes: walSegmentBytes });
  for (;;) {
    const stream = formatStreamName({ systemId: position.systemId, timeline });
    const left = timelineEnd(history, timeline, position.timeline);
    const end = left?.end ?? position.flushed;
    if (stream !== from.stream) {
      const text = timeline === position.timeline ? newest : await readHistory(connection, timeline);
      yield { kind: "stream", stream, history: text };
    }
    // The server ends a copy by itself only where it left the timeline; where it is now, we leave it.
    if (start < end) yield* readTimeline(connection, { timeline, start, end });
    if (!left) return;
    if (start < end) await endCopy(connection);
    timeline = left.next;
    start = startOfTimeline(left.end, walSegmentBytes);
  }
}

async function* readTimeline(
  connection: ReplicationConnection,
  wanted: { readonly timeline: TimelineId; readonly start: Lsn; readonly end: Lsn },
): AsyncGenerator<UnstoredLog, void, undefined> {
  const { timeline, start, end } = wanted;
  await connection.startCopy(`START_REPLICATION PHYSICAL ${formatLsn(start)} TIMELINE ${timeline}`);
  let received = start;
  let answeredAtMs = performance.now();
  const answer = () => {
    answeredAtMs = performance.now();
    connection.write(standbyStatusMessage({ written: received, flushed: 0n, wantsReply: false }));
  };
  while (received < end) {
    const event = await connection.next();
    if (event.kind !== "copy-data") throw protocolViolation(connection.address, `${event.kind} in WAL`);
    const head = await connection.payload(Math.min(event.payloadBytes, keepaliveBytes));
    if (head.toString("latin1", 0, 1) === "k") {
      if (parseKeepalive(head).wantsReply) answer();
      continue;
    }
    const rest = await connection.payload(walHeadBytes - keepaliveBytes);
    const { start: at } = parseWalHead(Buffer.concat([head, rest]));
    if (at !== received)
      throw protocolViolation(connection.address, `WAL from ${formatLsn(at)} instead of ${formatLsn(received)}`);
    for (let bytes = await connection.fragment(); bytes; bytes = await connection.fragment()) {
      const wantedBytes = bytes.subarray(0, Number(end - received));
      const next = received + BigInt(wantedBytes.length);
      if (wantedBytes.length > 0) {
        yield {
          kind: "bytes",
          from: "server",
          start: lsnToSortable(received),
          end: lsnToSortable(next),
          bytes: wantedBytes,
        };
      }
      received = next;
    }
    if (performance.now() - answeredAtMs > answerEveryMs) answer();
  }
}

/** The server has sent all of a timeline that it left: it ends the copy, and we do. */
async function endCopy(connection: ReplicationConnection): Promise<void> {
  while ((await connection.next()).kind !== "copy-end");
  connection.write(copyDoneMessage);
  while ((await connection.next()).kind !== "ready");
}
