import { Group, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { type RecentLag, recentLagQuery } from "../../api/queries.ts";
import { EngineMark } from "../../parts/engine-mark.tsx";
import { Moment } from "../../parts/moment.tsx";
import { Sparkline } from "../../parts/sparkline.tsx";
import { levelColor, VerdictMark } from "../../parts/verdict-mark.tsx";
import { durationText } from "../../words/quantities.ts";
import { stateText } from "../../words/states.ts";
import { type Level, levels } from "../../words/verdict.ts";
import classes from "./overview.module.css";
import { chosenServices, copiesOf, type JudgedService, lagOf, rpoOf, type SortKey, type Wanted } from "./sorting.ts";

const rowHeight = 64;

const levelTitles: Readonly<Record<Level, string>> = {
  lost: "region down",
  risk: "at risk",
  none: "not protected",
  catching: "catching up",
  building: "being built",
  safe: "protected",
};

interface ServiceTableProps {
  readonly project: string;
  readonly services: readonly JudgedService[];
  readonly isLive: boolean;
}

export function ServiceTable({ project, services, isLive }: ServiceTableProps) {
  const [wanted, setWanted] = useState<Wanted>({ text: "", level: undefined, sort: "safety", isDescending: false });
  const chosen = useMemo(() => chosenServices(services, wanted), [services, wanted]);
  const sortBy = (sort: SortKey) =>
    setWanted((before) => ({
      ...before,
      sort,
      isDescending: before.sort === sort ? !before.isDescending : sort === "lag" || sort === "rpo",
    }));
  return (
    <section aria-label="Services">
      <Group mb="sm" gap="sm">
        <TextInput
          aria-label="Search services"
          placeholder="Name, engine, region…"
          leftSection={<IconSearch size={16} />}
          w={{ base: "100%", xs: 260 }}
          value={wanted.text}
          onChange={(event) => {
            const text = event.currentTarget.value;
            setWanted((before) => ({ ...before, text }));
          }}
        />
        <div className={classes["tally"]} role="group" aria-label="Filter by safety">
          {levels.map((level) => {
            const count = services.filter(({ verdict }) => verdict.level === level).length;
            if (count === 0 && wanted.level !== level) return null;
            return (
              <button
                key={level}
                type="button"
                className={classes["chip"]}
                aria-pressed={wanted.level === level}
                onClick={() =>
                  setWanted((before) => ({ ...before, level: before.level === level ? undefined : level }))
                }
              >
                <span style={{ width: 8, height: 8, borderRadius: 9, background: levelColor(level) }} aria-hidden />
                {levelTitles[level]} <strong>{count.toLocaleString("en")}</strong>
              </button>
            );
          })}
        </div>
        <Text size="xs" c="dimmed" ml="auto" role="status">
          {isLive ? "live" : "asked every few seconds"}
        </Text>
      </Group>
      <div className={`card ${classes["table"]}`} role="table" aria-label="Services" aria-rowcount={chosen.length + 1}>
        <div className={classes["head"]} role="row">
          <Heading title="Service" by="name" wanted={wanted} sortBy={sortBy} />
          <div role="columnheader" className={classes["wide"]}>
            Region and copies
          </div>
          <Heading title="Safety" by="safety" wanted={wanted} sortBy={sortBy} />
          <Heading title="Lag" by="lag" wanted={wanted} sortBy={sortBy} className={classes["medium"]} />
          <Heading title="Data at risk" by="rpo" wanted={wanted} sortBy={sortBy} className={classes["medium"]} />
          <div role="columnheader" className={classes["wide"]}>
            Can be restored to
          </div>
        </div>
        {chosen.length === 0 ? (
          <Text c="dimmed" p="xl" ta="center">
            No service is like that.
          </Text>
        ) : (
          <Rows project={project} services={chosen} />
        )}
      </div>
    </section>
  );
}

function Heading({
  title,
  by,
  wanted,
  sortBy,
  className,
}: {
  readonly title: string;
  readonly by: SortKey;
  readonly wanted: Wanted;
  readonly sortBy: (by: SortKey) => void;
  readonly className?: string;
}) {
  const isSorted = wanted.sort === by;
  const Arrow = wanted.isDescending ? IconArrowDown : IconArrowUp;
  return (
    <div
      role="columnheader"
      aria-sort={isSorted ? (wanted.isDescending ? "descending" : "ascending") : "none"}
      className={className}
    >
      <button type="button" className={classes["sort"]} onClick={() => sortBy(by)}>
        {title}
        {isSorted && <Arrow size={14} aria-hidden />}
      </button>
    </div>
  );
}

/** Only the rows that are to be seen: there may be thousands. */
function Rows({ project, services }: { readonly project: string; readonly services: readonly JudgedService[] }) {
  const ref = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => setOffset(ref.current?.offsetTop ?? 0), []);
  const virtualizer = useWindowVirtualizer({
    count: services.length,
    estimateSize: () => rowHeight,
    overscan: 8,
    scrollMargin: offset,
  });
  const items = virtualizer.getVirtualItems();
  const shown = items.flatMap(({ index }) => services[index]?.service.service_name ?? []).toSorted();
  const [settled] = useDebouncedValue(shown.slice(0, 100).join(","), 150);
  const { data: lags } = useQuery(recentLagQuery(project, settled === "" ? [] : settled.split(",")));
  return (
    <div ref={ref} role="rowgroup" style={{ position: "relative", height: virtualizer.getTotalSize() }}>
      {items.map(({ index, start }) => {
        const judged = services[index];
        return (
          judged && (
            <Row
              key={judged.service.service_name}
              project={project}
              judged={judged}
              lag={lags?.get(judged.service.service_name)}
              top={start - offset}
              index={index}
            />
          )
        );
      })}
    </div>
  );
}

interface RowProps {
  readonly project: string;
  readonly judged: JudgedService;
  readonly lag: RecentLag | undefined;
  readonly top: number;
  readonly index: number;
}

function Row({ project, judged: { service, verdict }, lag, top, index }: RowProps) {
  const copies = copiesOf(service);
  const best = copies.find(({ recovery_window }) => recovery_window !== null) ?? service.locations[0];
  return (
    <div
      className={classes["row"]}
      role="row"
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${top}px)`, top: 0 }}
    >
      <div role="cell" className={classes["cell"]}>
        <Group gap={10} wrap="nowrap">
          <EngineMark engine={service.service_type} />
          <div style={{ minWidth: 0 }}>
            <Link
              to="/projects/$project/services/$service"
              params={{ project, service: service.service_name }}
              className={classes["name"]}
            >
              {service.service_name}
            </Link>
            <Text
              size="xs"
              c={service.trouble === null ? "dimmed" : "var(--risk)"}
              truncate="end"
              title={service.trouble ?? undefined}
            >
              {stateText(service.state)}
              {service.service_kind === "attached" && " · attached"}
              {service.trouble !== null && ` · ${service.trouble}`}
            </Text>
          </div>
        </Group>
      </div>
      <div role="cell" className={`${classes["cell"]} ${classes["wide"]}`}>
        <Text size="sm" truncate="end">
          {service.cloud_name}
        </Text>
        <Text size="xs" c="dimmed" truncate="end">
          {copies.length === 0
            ? "no copy"
            : `→ ${copies.map(({ cloud, paused }) => `${cloud}${paused ? " (paused)" : ""}`).join(", ")}`}
        </Text>
      </div>
      <div role="cell" className={classes["cell"]}>
        <VerdictMark verdict={verdict} withReason />
      </div>
      <Figure seconds={lagOf(service)} values={lag?.lag_seconds} what="Lag" name={service.service_name} />
      <Figure seconds={rpoOf(service)} values={lag?.rpo_seconds} what="Data at risk" name={service.service_name} />
      <div role="cell" className={`${classes["cell"]} ${classes["wide"]}`}>
        {best?.recovery_window ? (
          <>
            <Text size="sm" truncate="end">
              <Moment at={best.recovery_window.latest_at} />
            </Text>
            <Text size="xs" c="dimmed" truncate="end">
              back to <Moment at={best.recovery_window.earliest_at} />
            </Text>
          </>
        ) : (
          <Text size="sm" c="dimmed">
            nothing yet
          </Text>
        )}
      </div>
    </div>
  );
}

function Figure({
  seconds,
  values,
  what,
  name,
}: {
  readonly seconds: number | undefined;
  readonly values: readonly (number | null)[] | undefined;
  readonly what: string;
  readonly name: string;
}) {
  return (
    <div role="cell" className={`${classes["cell"]} ${classes["medium"]} ${classes["figure"]}`}>
      {seconds === undefined ? <Text c="dimmed">–</Text> : <span>{durationText(seconds)}</span>}
      {values && seconds !== undefined && (
        <Sparkline values={values} label={`${what} of ${name} in the last hour, now ${durationText(seconds)}`} />
      )}
    </div>
  );
}
