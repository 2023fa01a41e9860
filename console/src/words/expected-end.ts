import type { Job } from "../api/types.ts";
import { bytesText, durationText } from "./quantities.ts";

type Progress = NonNullable<Job["progress"]>;

/** How far a step was at a time. */
export interface SeenProgress {
  readonly phase: string;
  readonly at: number;
  readonly done: number;
}

/** When the step that goes on will end, and what that rests on. */
export interface ExpectedEnd {
  readonly secondsLeft: number;
  readonly basis: string;
}

/** What was seen lately tells more than the whole step: a cache was cold, a link was shared. */
const windowMs = 60_000;
/** Of less time, nothing is concluded. */
const leastWindowMs = 10_000;
const leastStepMs = 3000;

/** Remembers one more sight of a step, as far back as is needed. */
export function withSeen(seen: readonly SeenProgress[], next: SeenProgress): readonly SeenProgress[] {
  const same = seen.filter(({ phase, done }) => phase === next.phase && done <= next.done);
  const recent = same.filter(({ at }) => at > next.at - windowMs);
  const before = same.at(-recent.length - 1);
  return [...(before ? [before] : []), ...recent, next];
}

/**
 * The end of a step at the rate that it has: as was seen lately, else since it began.
 * @param seen oldest first
 * @param now milliseconds
 * @returns undefined while nothing can be said
 */
export function expectedEnd(
  progress: Progress,
  { seen, now }: { readonly seen: readonly SeenProgress[]; readonly now: number },
): ExpectedEnd | undefined {
  const { phase, done, total, unit } = progress;
  if (done === undefined || total === undefined || done <= 0 || done >= total) return undefined;
  const end = (rate: number, when: string): ExpectedEnd | undefined =>
    rate <= 0 ? undefined : { secondsLeft: (total - done) / rate, basis: `${rateText(rate, unit)} ${when}` };
  const [oldest] = seen.filter((each) => each.phase === phase);
  if (oldest && now - oldest.at >= leastWindowMs && done > oldest.done) {
    const seconds = (now - oldest.at) / 1000;
    return end((done - oldest.done) / seconds, `in the last ${durationText(seconds)}`);
  }
  if (progress.phase_start_time === undefined) return undefined;
  const ms = now - Date.parse(progress.phase_start_time);
  if (ms < leastStepMs) return undefined;
  return end(((done - (progress.phase_start_done ?? 0)) / ms) * 1000, "since this step began");
}

function rateText(rate: number, unit: Progress["unit"]): string {
  if (unit === "bytes") return `${bytesText(rate)}/s`;
  if (unit === "objects") return `${rate < 10 ? rate.toPrecision(2) : Math.round(rate)} objects a second`;
  const perMinute = rate * 60 * 100;
  return `${perMinute < 10 ? perMinute.toPrecision(2) : Math.round(perMinute)} % a minute`;
}
