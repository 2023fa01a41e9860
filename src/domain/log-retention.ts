import { serverOf } from "./recovery-window.ts";

/** What a base backup needs of the log. Positions are sortable texts. */
export interface LogNeed {
  readonly stream: string;
  /** The first position that a restore reads. */
  readonly start: string;
  /** Where its files are consistent. */
  readonly end: string;
  /** `onwards`: it is restored to any later time as well; `itself`: only as it is (it is kept beyond the retention). */
  readonly reach: "onwards" | "itself";
}

/** Log of a stream that stays: from `start` up to `end`, or without end. */
export interface RetainedSpan {
  readonly start: string;
  readonly end: string | undefined;
}

/**
 * Which parts of a stream's log are needed.
 * @param needs of all base backups at the location, and of those that are still to come there
 * @returns in order, without overlap; undefined when no backup of the stream's server is known, so that nothing can
 *   be said of it
 */
export function retainedLog(stream: string, needs: readonly LogNeed[]): readonly RetainedSpan[] | undefined {
  const ofServer = needs.filter((need) => serverOf(need.stream) === serverOf(stream));
  if (ofServer.length === 0) return undefined;
  const onwards = ofServer.filter(({ reach }) => reach === "onwards");
  // Later timelines lead on from an earlier one, so all of them are needed from the oldest that is.
  if (onwards.some((need) => need.stream < stream)) return [{ start: "", end: undefined }];
  const spans: RetainedSpan[] = ofServer
    .filter((need) => need.stream === stream)
    .map(({ start, end, reach }) => ({ start, end: reach === "onwards" ? undefined : end }));
  return joinedSpans(spans);
}

function joinedSpans(spans: readonly RetainedSpan[]): readonly RetainedSpan[] {
  const joined: RetainedSpan[] = [];
  for (const span of [...spans].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = joined.at(-1);
    if (!last || (last.end !== undefined && last.end < span.start)) joined.push(span);
    else joined[joined.length - 1] = { start: last.start, end: laterEnd(last.end, span.end) };
  }
  return joined;
}

function laterEnd(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a > b ? a : b;
}

/** Whether a part of the log lies in none of the spans. */
export function isOutside(part: { readonly start: string; readonly end: string }, spans: readonly RetainedSpan[]) {
  return !spans.some((span) => part.end > span.start && (span.end === undefined || part.start < span.end));
}
