import { Alert, Button, Radio, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconArrowLeft } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import { backupsQuery, protectionQuery, reachQuery, serviceQuery, statusQuery } from "../../api/queries.ts";
import type { Backup, CloudStatus, ForkPlan, Protection, Reach } from "../../api/types.ts";
import { Allowed } from "../../parts/allowed.tsx";
import { Card } from "../../parts/card.tsx";
import { Failure } from "../../parts/failure.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Moment } from "../../parts/moment.tsx";
import { Page } from "../../parts/page.tsx";
import { bytesText } from "../../words/quantities.ts";
import { localInputText, momentOfInput, momentText, zoneName } from "../../words/times.ts";
import type { Choose } from "../backups/clicks.ts";
import { Timeline } from "../backups/timeline.tsx";
import { ForkFacts } from "./fork-facts.tsx";

type Version = "latest" | "time" | "backup";

/** From where, to when, under which name: then what that means, and the fork. */
export function ForkPage() {
  const { project, service } = useParams({ from: "/session/projects/$project/services/$service/fork" });
  const protection = useQuery(protectionQuery(project, service));
  const reach = useQuery(reachQuery(project, service));
  const backups = useQuery(backupsQuery(project, service));
  const status = useQuery(statusQuery(project));
  return (
    <Page
      title={`Fork ${service}`}
      about="A new, independent service, restored from a backup. The source is not touched."
      actions={
        <Button
          component={Link}
          to={`/projects/${project}/services/${service}`}
          variant="default"
          leftSection={<IconArrowLeft size={16} />}
        >
          Back
        </Button>
      }
    >
      <Allowed action="createService">
        <Loaded query={protection} height={500}>
          {(known) => (
            <Loaded query={reach} height={500}>
              {(locations) => (
                <Loaded query={backups} height={500}>
                  {(listed) => (
                    <ForkForm
                      project={project}
                      protection={known}
                      reach={locations}
                      backups={listed.backups}
                      clouds={status.data?.clouds ?? []}
                    />
                  )}
                </Loaded>
              )}
            </Loaded>
          )}
        </Loaded>
      </Allowed>
    </Page>
  );
}

interface ForkFormProps {
  readonly project: string;
  readonly protection: Protection;
  readonly reach: Reach["locations"];
  readonly backups: readonly Backup[];
  readonly clouds: readonly CloudStatus[];
}

function ForkForm({ project, protection, reach, backups, clouds }: ForkFormProps) {
  const search = useSearch({ from: "/session/projects/$project/services/$service/fork" });
  const source = protection.service_name;
  const { data: sourceService } = useQuery(serviceQuery(project, source));
  const isUp = (cloud: string) => clouds.find(({ cloud_name }) => cloud_name === cloud)?.is_up ?? true;
  const usable = reach.filter(({ windows }) => windows.length > 0);
  const preferred = usable.find(({ cloud }) => isUp(cloud))?.cloud ?? usable[0]?.cloud;
  const [from, setFrom] = useState(search.from ?? preferred ?? "");
  const [version, setVersion] = useState<Version>(
    search.backup === undefined ? (search.at === undefined ? "latest" : "time") : "backup",
  );
  const place = reach.find(({ cloud }) => cloud === from);
  const [time, setTime] = useState(() =>
    localInputText(new Date(search.at ?? place?.windows.at(-1)?.latest_at ?? Date.now())),
  );
  const [backup, setBackup] = useState<string | null>(search.backup ?? null);
  const [name, setName] = useState(`${source}-fork`);
  const [plan, setPlan] = useState<string>();
  const at = momentOfInput(time);
  const target =
    version === "time"
      ? { target_time: at?.toISOString() ?? "" }
      : version === "backup"
        ? { backup_name: backup ?? "" }
        : {};
  const isComplete = version === "latest" || (version === "time" ? at !== undefined : backup !== null);
  const facts = useQuery({
    queryKey: ["fork-plan", project, source, from, target],
    queryFn: async () =>
      await ask<ForkPlan>("POST", path`/project/${project}/service/${source}/btar/fork_plan`, {
        location: from,
        ...target,
      }),
    enabled: from !== "" && isComplete,
    retry: false,
  });
  const choose: Choose = (cloud, what) => {
    setFrom(cloud);
    if (what.at) {
      setVersion("time");
      setTime(localInputText(what.at));
    } else if (what.backup !== undefined) {
      setVersion("backup");
      setBackup(what.backup);
    }
  };
  return (
    <Stack gap="lg">
      <Timeline
        title="From where, and to when"
        protection={protection}
        reach={reach}
        backups={backups}
        chosen={version === "time" && at ? { cloud: from, at } : undefined}
        click={{ does: "choose", choose }}
      />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Card title="What is restored">
          <Radio.Group label="Location" description="The fork is made in this region" value={from} onChange={setFrom}>
            <Stack gap="xs" mt="xs">
              {protection.locations.map(({ cloud, role, recovery_window: window }) => (
                <Radio
                  key={cloud}
                  value={cloud}
                  disabled={window === null}
                  label={
                    <>
                      {cloud}{" "}
                      <Text span c="dimmed" size="sm">
                        {role}
                      </Text>
                      {!isUp(cloud) && (
                        <Text span c="var(--risk)" size="sm" fw={600}>
                          {" "}
                          down
                        </Text>
                      )}
                    </>
                  }
                  description={
                    window === null ? (
                      "nothing can be restored from there"
                    ) : (
                      <>
                        <Moment at={window.earliest_at} /> to <Moment at={window.latest_at} />
                      </>
                    )
                  }
                />
              ))}
            </Stack>
          </Radio.Group>
          <Radio.Group label="Version" value={version} onChange={(value) => setVersion(value as Version)} mt="sm">
            <Stack gap="xs" mt="xs">
              <Radio value="latest" label="Latest transaction" />
              <Radio value="time" label="Point in time" />
              <Radio value="backup" label="Base backup" />
            </Stack>
          </Radio.Group>
          {version === "time" && (
            <TextInput
              label={`Time (${zoneName()})`}
              type="datetime-local"
              step={1}
              value={time}
              onChange={(event) => setTime(event.currentTarget.value)}
              error={timeError(at, place)}
              description={place && <Bounds windows={place.windows} />}
            />
          )}
          {version === "backup" && (
            <Select
              label="Base backup"
              data={(place?.backups ?? []).map(({ backup_name, earliest_at }) => ({
                value: backup_name,
                label: `${momentText(new Date(earliest_at))} · ${bytesText(backups.find((each) => each.backup_name === backup_name)?.data_size ?? 0)}`,
              }))}
              value={backup}
              onChange={setBackup}
              placeholder="Choose one"
            />
          )}
        </Card>
        <Card title="The new service">
          <TextInput
            label="Name"
            description="A lower-case letter, then letters, digits and dashes"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={
              /^[a-z][-a-z0-9]{0,63}$/.test(name)
                ? undefined
                : "Begin with a lower-case letter; then letters, digits and dashes, 64 at most"
            }
          />
          <PlanChoice
            project={project}
            engine={protection.service_type}
            plan={plan ?? sourceService?.plan}
            setPlan={setPlan}
          />
          {!isUp(from) && (
            <Alert color="red" variant="outline" icon={<IconAlertTriangle />} title={`${from} is down`}>
              A fork from there waits until it is back. Choose another location.
            </Alert>
          )}
          {facts.error ? (
            <Failure error={facts.error} />
          ) : (
            <ForkFacts
              source={source}
              plan={facts.data}
              start={{ project, name, plan, source, target, from }}
              isNameRight={/^[a-z][-a-z0-9]{0,63}$/.test(name)}
            />
          )}
        </Card>
      </SimpleGrid>
    </Stack>
  );
}

function Bounds({ windows }: { readonly windows: Reach["locations"][number]["windows"] }) {
  return (
    <>
      {windows.map(({ earliest_at, latest_at }, index) => (
        <span key={earliest_at}>
          {index > 0 && ", or "}
          <Moment at={earliest_at} /> to <Moment at={latest_at} />
        </span>
      ))}
    </>
  );
}

function timeError(at: Date | undefined, place: Reach["locations"][number] | undefined): string | undefined {
  if (at === undefined) return "Give a day and a time";
  const isReached = place?.windows.some(
    // The field has whole seconds; the window's ends have fractions.
    ({ earliest_at, latest_at }) =>
      at.getTime() + 999 >= Date.parse(earliest_at) && at.getTime() <= Date.parse(latest_at),
  );
  return isReached ? undefined : "This moment cannot be restored from there: choose one within the times below";
}

interface PlanChoiceProps {
  readonly project: string;
  readonly engine: string;
  readonly plan: string | undefined;
  readonly setPlan: (plan: string) => void;
}

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
