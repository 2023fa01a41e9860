/** What part of time a timeline shows, and where its marks are. */

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const steps = [
  second,
  5 * second,
  15 * second,
  minute,
  5 * minute,
  15 * minute,
  30 * minute,
  hour,
  3 * hour,
  6 * hour,
  12 * hour,
  day,
  2 * day,
  7 * day,
  28 * day,
  91 * day,
] as const;

export interface TimeSpan {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Where a moment is, in percent of the span's width; less than 0 or more than 100 outside of it. */
export function percentOf({ from, to }: TimeSpan, at: number): number {
  return ((at - from) / (to - from)) * 100;
}

export function momentAt({ from, to }: TimeSpan, percent: number): number {
  return from + ((to - from) * Math.min(100, Math.max(0, percent))) / 100;
}

/** Round times of the viewer's zone, at most `most` of them. */
export function ticksOf(
  { from, to }: TimeSpan,
  most: number,
): readonly { readonly at: number; readonly text: string }[] {
  const step = steps.find((each) => (to - from) / each <= most) ?? (to - from) / most;
  const zone = new Date(to).getTimezoneOffset() * minute;
  const first = Math.ceil((from - zone) / step) * step + zone;
  const count = Math.max(0, Math.floor((to - first) / step) + 1);
  return Array.from({ length: count }, (_, index) => first + index * step).map((at) => ({
    at,
    text: tickText(at, step),
  }));
}

const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const minuteFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const secondFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function tickText(at: number, step: number): string {
  const date = new Date(at);
  if (step >= day || (date.getHours() === 0 && date.getMinutes() === 0)) return dayFormat.format(date);
  return (step < minute ? secondFormat : minuteFormat).format(date);
}
