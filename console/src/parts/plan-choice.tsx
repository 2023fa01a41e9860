import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, path } from "../api/client.ts";

interface PlanChoiceProps {
  readonly project: string;
  readonly engine: string;
  readonly plan: string | undefined;
  readonly setPlan: (plan: string) => void;
}

/** One of the plans of an engine. */
export function PlanChoice({ project, engine, plan, setPlan }: PlanChoiceProps) {
  const { data = [] } = useQuery({
    queryKey: ["plans", project, engine],
    queryFn: async () =>
      (
        await ask<{ service_plans: readonly { service_plan: string; backup_config: { max_count: number } }[] }>(
          "GET",
          path`/project/${project}/service-types/${engine}/plans`,
        )
      ).service_plans,
    staleTime: 300_000,
  });
  return (
    <Select
      label="Plan"
      data={data.map(({ service_plan, backup_config }) => ({
        value: service_plan,
        label: `${service_plan} · backups ${backup_config.max_count} days`,
      }))}
      value={plan ?? null}
      onChange={(value) => value !== null && setPlan(value)}
      searchable
      allowDeselect={false}
    />
  );
}
