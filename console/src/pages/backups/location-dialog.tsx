import { Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import { cloudsQuery } from "../../api/queries.ts";
import type { Estimate, Protection } from "../../api/types.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { bytesText, durationText } from "../../words/quantities.ts";

interface LocationDialogProps {
  readonly project: string;
  readonly protection: Protection;
  /** The cloud that another takes the place of. */
  readonly replaced: string | undefined;
  readonly save: (cloud: string) => Promise<void>;
  readonly close: () => void;
}

/** Asks for a region, and tells what a copy there takes. */
export function LocationDialog({ project, protection, replaced, save, close }: LocationDialogProps) {
  const { data: clouds = [] } = useQuery(cloudsQuery);
  const [cloud, setCloud] = useState<string | null>(null);
  const provider = protection.cloud_name.split("-")[0];
  const taken = protection.locations.filter(({ state }) => state !== "deleting").map((location) => location.cloud);
  const choices = clouds.filter((each) => each.provider === provider && !taken.includes(each.cloud_name));
  return (
    <Confirm
      title={replaced === undefined ? "Add secondary backup location" : `Use another region than ${replaced}`}
      action={replaced === undefined ? "Add" : "Change"}
      run={async () => {
        if (cloud === null) throw new Error("Choose a region first");
        await save(cloud);
      }}
      close={close}
    >
      {(refusal) => (
        <Stack>
          <Select
            label="Region"
            error={refusal}
            description="Of the same provider, and not the primary backup's own"
            placeholder={choices.length === 0 ? `no other region of ${provider} is configured` : "Choose a region"}
            data={choices.map(({ cloud_name, cloud_description }) => ({
              value: cloud_name,
              label: cloud_description === "" ? cloud_name : `${cloud_name} · ${cloud_description}`,
            }))}
            value={cloud}
            onChange={setCloud}
            data-autofocus
            comboboxProps={{ withinPortal: true }}
          />
          {replaced !== undefined && (
            <Text size="sm">
              The copy in {replaced} stays until the new region has a complete one; then it is removed.
            </Text>
          )}
          {cloud !== null && <EstimateText project={project} service={protection.service_name} cloud={cloud} />}
        </Stack>
      )}
    </Confirm>
  );
}

function EstimateText({
  project,
  service,
  cloud,
}: {
  readonly project: string;
  readonly service: string;
  readonly cloud: string;
}) {
  const { data } = useQuery({
    queryKey: ["estimate", project, service, cloud],
    queryFn: async () =>
      await ask<Estimate>("GET", path`/project/${project}/service/${service}/btar/estimate/${cloud}`),
  });
  if (!data) return <Text size="sm"> </Text>;
  const { seconds_to_catch_up: seconds, bytes_per_day: daily, money } = data;
  return (
    <Text size="sm" aria-live="polite">
      {bytesText(data.bytes_to_copy)} to copy now
      {seconds === null ? "" : `, about ${durationText(seconds)}`}
      {daily === null ? "" : `; then ${bytesText(daily)} a day`}
      {money === null ? "" : `; ${money.per_month.toFixed(2)} ${money.currency} a month`}.
    </Text>
  );
}
