import { SegmentedControl, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useMemo, useState } from "react";
import type { Backup, Protection, Reach } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { useNow } from "../../parts/use-now.ts";
import { momentText } from "../../words/times.ts";
import { type Choose, type ClickPurpose, clickWords } from "./clicks.ts";
import { Lane } from "./lane.tsx";
import { percentOf, type TimeSpan, ticksOf } from "./time-axis.ts";
import classes from "./timeline.module.css";

const hour = 3_600_000;
const spans = { "1 h": hour, "6 h": 6 * hour, "1 day": 24 * hour, "1 week": 168 * hour } as const;
type SpanChoice = keyof typeof spans | "all";

interface TimelineProps {
  readonly protection: Protection;
  readonly reach: Reach["locations"];
  readonly backups: readonly Backup[];
  /** Undefined: there is nothing to click. */
  readonly click: { readonly does: ClickPurpose; readonly choose: Choose } | undefined;
  /** A moment that is chosen already, and the location. */
  readonly chosen?: { readonly cloud: string; readonly at: Date } | undefined;
  readonly title?: string;
}

/** What each location holds of the past, one lane for each. */
export function Timeline({ protection, reach, backups, click, chosen, title = "Timeline" }: TimelineProps) {
  const now = useNow(2000).getTime();
  const [choice, setChoice] = useState<SpanChoice>("all");
  const { ref, width } = useElementSize();
  const oldest = useMemo(() => oldestMoment(reach, backups), [reach, backups]);
  const span = spanOf(choice, oldest, now);
  const ticks = ticksOf(span, Math.max(2, Math.floor((width > 760 ? width - 206 : width) / 90)));
  return (
    <Card
      title={title}
      about={`Hover for times and sizes.${clickWords(click?.does).about}`}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="How far back"
          data={[...Object.keys(spans), "all"]}
          value={choice}
          onChange={(value) => setChoice(value as SpanChoice)}
        />
      }
      flush
    >
      <div className={classes["timeline"]} ref={ref}>
        {protection.locations.map((location) => (
          <Lane
            key={location.cloud}
            location={location}
            windows={reach.find(({ cloud }) => cloud === location.cloud)?.windows ?? []}
            backups={backups}
            span={span}
            now={now}
            ticks={ticks}
            chosen={chosen?.cloud === location.cloud ? chosen.at : undefined}
            click={click && { does: click.does, choose: (what) => click.choose(location.cloud, what) }}
          />
        ))}
        <div className={classes["lane"]} aria-hidden>
          <div className={classes["label"]} />
          <div className={classes["axis"]}>
            {ticks.map(({ at, text }) => (
              <span key={at} className={classes["tick"]} style={{ left: `${percentOf(span, at)}%` }}>
                {text}
              </span>
            ))}
          </div>
        </div>
        <Legend now={now} />
      </div>
    </Card>
  );
}

function Legend({ now }: { readonly now: number }) {
  return (
    <div className={classes["legend"]} aria-hidden>
      <span>
        <i style={{ width: 12, height: 12, borderRadius: 9, background: "var(--primary-lane)" }} /> base backup
      </span>
      <span>
        <i style={{ width: 22, height: 10, borderRadius: 3, background: "var(--primary-lane)" }} /> log without a gap:
        any moment can be restored
      </span>
      <span>
        <i style={{ width: 22, height: 10, borderRadius: 3, border: "1px dashed var(--risk)" }} /> gap
      </span>
      <span>
        <i style={{ width: 2, height: 14, background: "var(--safe)" }} /> proven up to here
      </span>
      <Text span inherit ml="auto">
        times in {Intl.DateTimeFormat().resolvedOptions().timeZone}; now {momentText(new Date(now))}
      </Text>
    </div>
  );
}

function oldestMoment(reach: Reach["locations"], backups: readonly Backup[]): number | undefined {
  const moments = [
    ...reach.flatMap(({ windows }) => windows.map(({ earliest_at }) => Date.parse(earliest_at))),
    ...backups.map(({ start_time }) => Date.parse(start_time)),
  ];
  return moments.length === 0 ? undefined : Math.min(...moments);
}

/** A little more than asked for at both ends, so that nothing lies on the edge. */
function spanOf(choice: SpanChoice, oldest: number | undefined, now: number): TimeSpan {
  const length = choice === "all" ? Math.max(60_000, now - (oldest ?? now - hour)) : spans[choice];
  return { from: now - length * (choice === "all" ? 1.03 : 1), to: now + length * 0.02 };
}
