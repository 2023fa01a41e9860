import { Group, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useState } from "react";
import type { Chart } from "../api/types.ts";
import { momentText, utcText } from "../words/times.ts";

const height = 200;
const margin = { left: 66, right: 12, top: 10, bottom: 24 };
const colors = ["var(--primary-lane)", "var(--secondary-lane)", "var(--catching)", "var(--safe)"];

interface LineChartProps {
  readonly chart: Chart;
  /** Of a value, for axis and hovering. */
  readonly format: (value: number) => string;
  /** The axis reaches at least so far: lines of small values stay low. */
  readonly least?: number;
}

/** Values over time. */
export function LineChart({ chart, format, least = 1 }: LineChartProps) {
  const { ref, width } = useElementSize();
  const [hovered, setHovered] = useState<number>();
  const columns = chart.data.cols.slice(1).map(({ label }) => label);
  const rows = chart.data.rows.map((row) => ({
    at: new Date(`${String(row[0])}Z`),
    values: row.slice(1).map((value) => (typeof value === "number" ? value : null)),
  }));
  const [first, last] = [rows[0]?.at.getTime() ?? 0, rows.at(-1)?.at.getTime() ?? 1];
  const most = niceCeiling(Math.max(least, ...rows.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const inner = Math.max(10, width - margin.left - margin.right);
  const x = (at: Date) => margin.left + ((at.getTime() - first) / Math.max(1, last - first)) * inner;
  const y = (value: number) => height - margin.bottom - (value / most) * (height - margin.top - margin.bottom);
  const row = hovered === undefined ? undefined : rows[hovered];
  const ticks = width > 500 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];
  return (
    <div ref={ref} style={{ minHeight: height + 28 }}>
      {width === 0 ? (
        <div style={{ height }} />
      ) : (
        <svg
          width={width}
          height={height}
          style={{ display: "block" }}
          role="img"
          aria-label={summary(chart, rows, format)}
          onPointerLeave={() => setHovered(undefined)}
          onPointerMove={(event) => {
            const at = first + ((event.nativeEvent.offsetX - margin.left) / inner) * (last - first);
            setHovered(nearest(rows, at));
          }}
        >
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line
                x1={margin.left}
                x2={width - margin.right}
                y1={y(most * part)}
                y2={y(most * part)}
                stroke="var(--line)"
              />
              <text
                x={margin.left - 8}
                y={y(most * part) + 4}
                textAnchor="end"
                fontSize="11"
                fill="var(--mantine-color-dimmed)"
              >
                {format(most * part)}
              </text>
            </g>
          ))}
          {rows.length > 1 &&
            ticks.map((part) => (
              <text
                key={part}
                x={margin.left + part * inner}
                y={height - 6}
                fontSize="11"
                textAnchor={part === 0 ? "start" : part === 1 ? "end" : "middle"}
                fill="var(--mantine-color-dimmed)"
              >
                {momentText(new Date(first + part * (last - first)))}
              </text>
            ))}
          {columns.map((label, column) => (
            <path
              key={label}
              d={line(
                rows.map(({ at, values }) => ({ x: x(at), value: values[column] ?? null })),
                y,
              )}
              fill="none"
              stroke={colors[column % colors.length]}
              strokeWidth="1.75"
              strokeLinejoin="round"
            />
          ))}
          {row && (
            <line
              x1={x(row.at)}
              x2={x(row.at)}
              y1={margin.top}
              y2={height - margin.bottom}
              stroke="var(--none)"
              strokeDasharray="3 3"
            />
          )}
        </svg>
      )}
      <Group gap="md" mt={4} mih={22}>
        {columns.map((label, column) => (
          <Group key={label} gap={6}>
            <span
              style={{ width: 10, height: 3, background: colors[column % colors.length], display: "inline-block" }}
            />
            <Text size="xs">
              {label}
              {row && `: ${typeof row.values[column] === "number" ? format(row.values[column]) : "–"}`}
            </Text>
          </Group>
        ))}
        {row && (
          <Text size="xs" c="dimmed" title={utcText(row.at)}>
            {momentText(row.at)}
          </Text>
        )}
      </Group>
    </div>
  );
}

interface Row {
  readonly at: Date;
  readonly values: readonly (number | null)[];
}

function line(
  points: readonly { readonly x: number; readonly value: number | null }[],
  y: (value: number) => number,
): string {
  let isDrawing = false;
  return points
    .map(({ x, value }) => {
      if (value === null) {
        isDrawing = false;
        return "";
      }
      const step = `${isDrawing ? "L" : "M"}${x.toFixed(1)} ${y(value).toFixed(1)}`;
      isDrawing = true;
      return step;
    })
    .join("");
}

function nearest(rows: readonly Row[], at: number): number | undefined {
  let best: number | undefined;
  for (const [index, row] of rows.entries()) {
    const distance = Math.abs(row.at.getTime() - at);
    if (best === undefined || distance < Math.abs((rows[best]?.at.getTime() ?? 0) - at)) best = index;
  }
  return best;
}

/** 1, 2 or 5 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function summary({ hints, data }: Chart, rows: readonly Row[], format: (value: number) => string): string {
  const latest = rows.at(-1);
  const parts = data.cols.slice(1).map(({ label }, column) => {
    const value = latest?.values[column];
    return `${label} ${typeof value === "number" ? format(value) : "not known"}`;
  });
  return `${hints.title}; now: ${parts.join(", ")}`;
}
