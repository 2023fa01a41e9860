import { Counter, Gauge, type Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  /** Null is not told: there is nothing to measure. */
  readonly value: number | null;
}

/** What is measured of many things alike, by their labels. */
export interface Family {
  readonly name: string;
  readonly help: string;
  /** `counter` only grows. */
  readonly type: "gauge" | "counter";
  readonly samples: readonly Sample[];
}

export function register(registry: Registry, families: readonly Family[]): void {
  for (const { name, help, type, samples } of families) {
    const labelNames = Object.keys(samples[0]?.labels ?? {});
    const options = { name, help, labelNames, registers: [registry] };
    const measured = samples.flatMap(({ labels, value }) => (value === null ? [] : [{ labels, value }]));
    if (type === "gauge") {
      const gauge = new Gauge(options);
      for (const { labels, value } of measured) gauge.set(labels, value);
    } else {
      const counter = new Counter(options);
      for (const { labels, value } of measured) counter.inc(labels, value);
    }
  }
}

/** Seconds since 1970, as Prometheus has times; null stays null. */
export function timestamp(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000;
}

/** How long something took, of many things alike: a histogram that others have filled. */
export interface Distribution {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  readonly samples: readonly {
    readonly labels: Labels;
    readonly count: number;
    readonly sum: number;
    /** How many are at most as large as each of the bounds. */
    readonly within: readonly number[];
  }[];
}

/** In Prometheus' text format; the library fills histograms itself only. */
export function distributionText({ name, help, bounds, samples }: Distribution): string {
  const lines = samples.flatMap(({ labels, count, sum, within }) => [
    ...bounds.map((bound, index) => line(`${name}_bucket`, { ...labels, le: String(bound) }, within[index] ?? count)),
    line(`${name}_bucket`, { ...labels, le: "+Inf" }, count),
    line(`${name}_sum`, labels, sum),
    line(`${name}_count`, labels, count),
  ]);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ""].join("\n");
}

function line(name: string, labels: Labels, value: number): string {
  const escaped = (text: string) =>
    text.replaceAll("\\", "\\\\").replaceAll("\n", String.raw`\n`).replaceAll('"', String.raw`\"`);
  return `${name}{${Object.entries(labels)
    .map(([label, text]) => `${label}="${escaped(text)}"`)
    .join(",")}} ${value}`;
}
