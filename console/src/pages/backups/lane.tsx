import { Text, Tooltip } from "@mantine/core";
import { IconShieldCheck, IconX } from "@tabler/icons-react";
import { type CSSProperties, type MouseEvent, useState } from "react";
import type { Backup, Location } from "../../api/types.ts";
import { bytesText, durationText } from "../../words/quantities.ts";
import { momentText, utcText } from "../../words/times.ts";
import { type ClickPurpose, clickWords } from "./clicks.ts";
import { momentAt, percentOf, type TimeSpan } from "./time-axis.ts";
import classes from "./timeline.module.css";

interface Window {
  readonly earliest_at: string;
  readonly latest_at: string;
}

/** What a click there does; undefined: nothing. */
type Click<T> = { readonly does: ClickPurpose; readonly choose: (what: T) => void } | undefined;

interface LaneProps {
  readonly location: Location;
  readonly windows: readonly Window[];
  readonly backups: readonly Backup[];
  readonly span: TimeSpan;
  readonly now: number;
  readonly ticks: readonly { readonly at: number }[];
  readonly chosen: Date | undefined;
  readonly click: Click<{ readonly at?: Date; readonly backup?: string }>;
}

/** One location: its base backups, and the times that it can restore. */
export function Lane({ location, windows, backups, span, now, ticks, chosen, click }: LaneProps) {
  const lane = location.role === "primary" ? "var(--primary-lane)" : "var(--secondary-lane)";
  const verified = location.verification.verified_until;
  return (
    <div className={classes["lane"]} style={{ "--lane": lane } as CSSProperties}>
      <div className={classes["label"]}>
        <Text size="sm" fw={600} truncate="end">
          {location.cloud}
        </Text>
        <Text size="xs" c="dimmed" truncate="end" title={location.trouble ?? undefined}>
          {labelText(location)}
        </Text>
      </div>
      <div className={classes["track"]}>
        {ticks.map(({ at }) => (
          <i key={at} className={classes["gridLine"]} style={{ left: `${percentOf(span, at)}%` }} />
        ))}
        <div className={classes["rail"]} />
        {windows.map(({ earliest_at, latest_at }) => (
          <div
            key={earliest_at}
            className={classes["window"]}
            data-leaving={location.state === "deleting" ? true : undefined}
            style={extent(span, Date.parse(earliest_at), Date.parse(latest_at))}
          />
        ))}
        {gapsOf(windows).map(({ from, to }) => (
          <div key={from} className={classes["gap"]} style={extent(span, from, to)} />
        ))}
        <Ground
          location={location}
          windows={windows}
          span={span}
          now={now}
          chosen={chosen}
          click={click && { does: click.does, choose: (at) => click.choose({ at }) }}
        />
        {verified !== null && isInside(span, Date.parse(verified)) && (
          <div className={classes["proven"]} style={{ left: `${percentOf(span, Date.parse(verified))}%` }}>
            <span
              className={classes["provenIcon"]}
              title={`everything up to ${momentText(new Date(verified))} was verified`}
            >
              <IconShieldCheck size={18} aria-hidden />
            </span>
          </div>
        )}
        {backups.map((backup) => (
          <Marker
            key={backup.backup_name}
            backup={backup}
            cloud={location.cloud}
            span={span}
            click={click && { does: click.does, choose: () => click.choose({ backup: backup.backup_name }) }}
          />
        ))}
      </div>
    </div>
  );
}

function Marker({
  backup,
  cloud,
  span,
  click,
}: {
  readonly backup: Backup;
  readonly cloud: string;
  readonly span: TimeSpan;
  readonly click: Click<void>;
}) {
  const here = backup.locations.find((location) => location.cloud === cloud);
  const at = Date.parse(backup.consistent_time ?? backup.start_time);
  if (!here || !isInside(span, at)) return null;
  const done = here.total_bytes > 0 ? Math.min(100, (here.done_bytes / here.total_bytes) * 100) : 0;
  const text = [
    `${momentText(new Date(at))}, ${here.state}`,
    here.state === "copying" && here.total_bytes > 0
      ? `${bytesText(here.done_bytes)} of ${bytesText(here.total_bytes)}`
      : bytesText(backup.data_size),
    here.trouble ?? "",
  ].filter((part) => part !== "");
  return (
    <Tooltip
      label={
        <>
          <strong>Base backup</strong>
          {text.map((line) => (
            <div key={line}>{line}</div>
          ))}
          <div>{utcText(new Date(at))}</div>
        </>
      }
      events={{ hover: true, focus: true, touch: true }}
    >
      <button
        type="button"
        className={classes["marker"]}
        data-state={here.state}
        style={{ left: `${percentOf(span, at)}%`, "--done": `${done}%` } as CSSProperties}
        aria-label={`${clickWords(click?.does).marker} of ${text.join(", ")} in ${cloud}`}
        aria-disabled={here.state !== "complete" || !click}
        onClick={() => here.state === "complete" && click?.choose()}
      >
        {here.state === "failed" && <IconX size={14} aria-hidden />}
      </button>
    </Tooltip>
  );
}

interface GroundProps {
  readonly location: Location;
  readonly windows: readonly Window[];
  readonly span: TimeSpan;
  readonly now: number;
  readonly chosen: Date | undefined;
  readonly click: Click<Date>;
}

/** Where a moment is looked for: with the pointer, or with arrow keys. */
function Ground({ location, windows, span, now, chosen, click }: GroundProps) {
  const [at, setAt] = useState<number>();
  const shown = at ?? chosen?.getTime();
  const newest = windows.at(-1) ? Date.parse(windows.at(-1)?.latest_at ?? "") : now;
  const isReachable = shown !== undefined && windows.some((window) => isWithin(window, shown));
  const momentOf = (event: MouseEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return momentAt(span, ((event.clientX - box.left) / box.width) * 100);
  };
  const move = (steps: number) =>
    setAt(Math.min(span.to, Math.max(span.from, (shown ?? newest) + (steps * (span.to - span.from)) / 200)));
  return (
    <>
      <div
        className={classes["ground"]}
        role="slider"
        tabIndex={0}
        aria-label={clickWords(click?.does).ground(location.cloud)}
        aria-valuemin={span.from}
        aria-valuemax={span.to}
        aria-valuenow={shown ?? newest}
        aria-valuetext={`${momentText(new Date(shown ?? newest))}${isReachable ? "" : ", cannot be restored"}`}
        onPointerMove={(event) => setAt(momentOf(event))}
        onPointerLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
        onClick={(event) => {
          const moment = momentOf(event);
          if (windows.some((window) => isWithin(window, moment))) click?.choose(new Date(moment));
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft") move(event.shiftKey ? -10 : -1);
          else if (event.key === "ArrowRight") move(event.shiftKey ? 10 : 1);
          else if (event.key === "Enter" && shown !== undefined && isReachable) click?.choose(new Date(shown));
          else return;
          event.preventDefault();
        }}
      />
      {shown !== undefined && isInside(span, shown) && (
        <>
          <i className={classes["cross"]} style={{ left: `${percentOf(span, shown)}%` }} />
          <span
            className={classes["crossLabel"]}
            style={{ left: `clamp(70px, ${percentOf(span, shown)}%, calc(100% - 70px))` }}
          >
            {momentText(new Date(shown))}
            {isReachable ? "" : shown > newest ? " · not there yet" : " · cannot be restored"}
          </span>
        </>
      )}
    </>
  );
}

function labelText(location: Location): string {
  if (location.state === "deleting") return "turned off; copies go soon";
  if (location.paused) return `${location.role}, paused`;
  const behind =
    location.rpo_seconds === null ? "nothing yet" : `${durationText(location.rpo_seconds)} of data at risk`;
  return `${location.role} · ${behind}`;
}

function gapsOf(windows: readonly Window[]): readonly { readonly from: number; readonly to: number }[] {
  return windows.slice(1).map((window, index) => ({
    from: Date.parse(windows[index]?.latest_at ?? window.earliest_at),
    to: Date.parse(window.earliest_at),
  }));
}

function extent(span: TimeSpan, from: number, to: number): CSSProperties {
  const left = Math.max(0, percentOf(span, from));
  const right = Math.min(100, percentOf(span, to));
  return right < 0 || left > 100 ? { display: "none" } : { left: `${left}%`, width: `${Math.max(0, right - left)}%` };
}

function isInside(span: TimeSpan, at: number): boolean {
  return at >= span.from && at <= span.to;
}

function isWithin({ earliest_at, latest_at }: Window, at: number): boolean {
  return at >= Date.parse(earliest_at) && at <= Date.parse(latest_at);
}
