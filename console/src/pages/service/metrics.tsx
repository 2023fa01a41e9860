import { SegmentedControl, SimpleGrid, Stack } from "@mantine/core";
import { IconChartLine } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { ReportPeriod } from "../../../../src/contract/charts.ts";
import { metricsQuery } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { LineChart } from "../../parts/line-chart.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { bytesText } from "../../words/quantities.ts";
import { periods } from "../backups/lag-report.tsx";

const percent = (value: number) => `${Math.round(value)} %`;
const rate = (value: number) => `${bytesText(value)}/s`;

const shown = {
  cpu_usage: { title: "Processor", format: percent },
  mem_usage: { title: "Memory", format: percent },
  disk_usage: { title: "Disk space", format: percent },
  diskio_read: { title: "Read from disk", format: rate },
  diskio_writes: { title: "Written to disk", format: rate },
  load_average: { title: "Load of the host", format: (value: number) => value.toFixed(1) },
} as const;

/** What the server needs. */
export function Metrics() {
  const { project, service } = useParams({ from: "/session/projects/$project/services/$service" });
  const [period, setPeriod] = useState<ReportPeriod>("hour");
  const metrics = useQuery(metricsQuery(project, service, period));
  return (
    <Stack>
      <SegmentedControl
        aria-label="Period"
        data={[...periods]}
        value={period}
        onChange={(value) => setPeriod(value as ReportPeriod)}
        style={{ alignSelf: "flex-start", maxWidth: "100%" }}
        size="xs"
      />
      <Loaded query={metrics} height={400}>
        {(charts) =>
          Object.keys(charts).length === 0 ? (
            <section className="card">
              <EmptyState icon={<IconChartLine size={36} />} title="Nothing was measured yet">
                The first figures come within a minute after the server has started.
              </EmptyState>
            </section>
          ) : (
            <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
              {Object.entries(shown).map(([key, { title, format }]) => {
                const chart = charts[key];
                return (
                  chart && (
                    <Card key={key} title={title}>
                      <LineChart chart={chart} format={format} />
                    </Card>
                  )
                );
              })}
            </SimpleGrid>
          )
        }
      </Loaded>
    </Stack>
  );
}
