import type { RecoveryWindow } from "../../domain/recovery-window.ts";

/** Times that base backups reach, for people: `2026-03-01T10:00:00.000Z to …, or … to …`. */
export function reachText(windows: readonly RecoveryWindow[]): string {
  const spans = mergedSpans(windows);
  return spans.map(({ from, to }) => `${from.toISOString()} to ${to.toISOString()}`).join(", or ");
}

/** Windows of several base backups overlap: the spans that they cover together, oldest first. */
function mergedSpans(windows: readonly RecoveryWindow[]): readonly { readonly from: Date; readonly to: Date }[] {
  const spans: { from: Date; to: Date }[] = [];
  for (const window of [...windows].sort((a, b) => a.earliestAt.getTime() - b.earliestAt.getTime())) {
    const last = spans.at(-1);
    if (last && window.earliestAt <= last.to) last.to = window.latestAt > last.to ? window.latestAt : last.to;
    else spans.push({ from: window.earliestAt, to: window.latestAt });
  }
  return spans;
}
