import { Alert, Button, Radio, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
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
import { PlanChoice } from "../../parts/plan-choice.tsx";
import { isServiceName, serviceNameError } from "../../words/service-name.ts";
import { localInputText, momentOfInput } from "../../words/times.ts";
import type { Choose } from "../backups/clicks.ts";
import { Timeline } from "../backups/timeline.tsx";
import { ForkFacts } from "./fork-facts.tsx";
import { targetOf, VersionChoice, type WantedVersion } from "./version-choice.tsx";

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
  const [wanted, setWanted] = useState<WantedVersion>(() => {
    const newest = reach.find(({ cloud }) => cloud === from)?.windows.at(-1)?.latest_at;
    return {
      version: search.backup === undefined ? (search.at === undefined ? "latest" : "time") : "backup",
      time: localInputText(new Date(search.at ?? newest ?? Date.now())),
      gtid: "",
      backup: search.backup ?? null,
    };
  });
  const change = (changed: Partial<WantedVersion>) => setWanted((before) => ({ ...before, ...changed }));
  const [name, setName] = useState(`${source}-fork`);
  const [plan, setPlan] = useState<string>();
  const at = wanted.version === "time" ? momentOfInput(wanted.time) : undefined;
  const target = targetOf(wanted);
  const facts = useQuery({
    queryKey: ["fork-plan", project, source, from, target],
    queryFn: async () =>
      await ask<ForkPlan>("POST", path`/project/${project}/service/${source}/btar/fork_plan`, {
        location: from,
        ...target,
      }),
    enabled: from !== "" && target !== undefined,
    retry: false,
  });
  const choose: Choose = (cloud, what) => {
    setFrom(cloud);
    if (what.at) change({ version: "time", time: localInputText(what.at) });
    else if (what.backup !== undefined) change({ version: "backup", backup: what.backup });
  };
  return (
    <Stack gap="lg">
      <Timeline
        title="From where, and to when"
        protection={protection}
        reach={reach}
        backups={backups}
        chosen={at && { cloud: from, at }}
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
          <VersionChoice
            engine={protection.service_type}
            place={reach.find(({ cloud }) => cloud === from)}
            backups={backups}
            wanted={wanted}
            change={change}
          />
        </Card>
        <Card title="The new service">
          <TextInput
            label="Name"
            description="A lower-case letter, then letters, digits and dashes"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={serviceNameError(name)}
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
              plan={target && facts.data}
              isAsked={facts.isLoading}
              start={{ project, name, plan, source, target: target ?? {}, from }}
              isNameRight={isServiceName(name)}
            />
          )}
        </Card>
      </SimpleGrid>
    </Stack>
  );
}
