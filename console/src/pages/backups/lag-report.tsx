import { SegmentedControl, Tabs, Text } from "@mantine/core";
import { IconChartLine } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { ReportPeriod } from "../../../../src/contract/charts.ts";
import { lagReportQuery } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { LineChart } from "../../parts/line-chart.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { durationText } from "../../words/quantities.ts";

export const periods: readonly ReportPeriod[] = ["hour", "day", "week", "month", "year"];

/** How far behind the copies were. */
export function LagReport({
  project,
  service,
  hasCopy,
}: {
  readonly project: string;
  readonly service: string;
  readonly hasCopy: boolean;
}) {
  const [period, setPeriod] = useState<ReportPeriod>("hour");
  const report = useQuery(lagReportQuery(project, service, period));
  return (
    <Card
      title="Lag"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Period"
          data={[...periods]}
          value={period}
          onChange={(value) => setPeriod(value as ReportPeriod)}
        />
      }
    >
      <Loaded query={report} height={260}>
        {({ replication_lag, data_at_risk }) =>
          replication_lag && data_at_risk ? (
            <Tabs defaultValue="lag" variant="pills" keepMounted={false}>
              <Tabs.List mb="sm">
                <Tabs.Tab value="lag">Replication lag</Tabs.Tab>
                <Tabs.Tab value="risk">Data at risk</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="lag">
                <LineChart chart={replication_lag} format={durationText} least={10} />
              </Tabs.Panel>
              <Tabs.Panel value="risk">
                <LineChart chart={data_at_risk} format={durationText} least={10} />
              </Tabs.Panel>
            </Tabs>
          ) : (
            <EmptyState icon={<IconChartLine size={36} />} title="Nothing was measured yet">
              <Text span>
                {hasCopy
                  ? "The first figures come within a minute."
                  : "Add a secondary backup location; then this shows how far behind it is."}
              </Text>
            </EmptyState>
          )
        }
      </Loaded>
    </Card>
  );
}
