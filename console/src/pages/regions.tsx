import { Alert, Button, Checkbox, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconCircleCheckFilled, IconGitFork, IconPlugConnectedX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "../api/may.ts";
import { statusQuery } from "../api/queries.ts";
import type { CloudStatus, Protection, Status } from "../api/types.ts";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { ListTable } from "../parts/list-table.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";
import { ServiceLink } from "../parts/service-link.tsx";
import { countText } from "../words/quantities.ts";
import { beginFork } from "./fork/fork-facts.tsx";

/** The regions; for one that is down, what that means, and the way out (R1). */
export function Regions() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const status = useQuery(statusQuery(project));
  return (
    <Page title="Regions" about="Where services run, and where their backups are">
      <Loaded query={status} height={400}>
        {(data) => (
          <Stack gap="lg">
            {data.clouds
              .filter(({ is_up }) => !is_up)
              .map((cloud) => (
                <LostRegion key={cloud.cloud_name} project={project} cloud={cloud} status={data} />
              ))}
            <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="lg">
              {data.clouds.map((cloud) => (
                <RegionCard key={cloud.cloud_name} cloud={cloud} services={data.services} />
              ))}
            </SimpleGrid>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function RegionCard({ cloud, services }: { readonly cloud: CloudStatus; readonly services: readonly Protection[] }) {
  const there = services.filter(({ locations }) => locations.some((location) => location.cloud === cloud.cloud_name));
  const primary = there.filter(({ locations }) =>
    locations.some(({ cloud: name, role }) => name === cloud.cloud_name && role === "primary"),
  );
  return (
    <Card
      title={
        <Group gap={8}>
          {cloud.is_up ? (
            <IconCircleCheckFilled size={20} color="var(--safe)" aria-label="up" />
          ) : (
            <IconPlugConnectedX size={20} color="var(--risk)" aria-label="down" />
          )}
          {cloud.cloud_name}
        </Group>
      }
    >
      <Text size="sm">
        {cloud.is_up ? (
          "Agents and store answer."
        ) : (
          <>
            Down: {cloud.trouble}
            {cloud.down_since !== null && (
              <>
                , since <Moment at={cloud.down_since} />
              </>
            )}
            .
          </>
        )}
      </Text>
      <Text size="sm" c="dimmed">
        {countText(primary.length, "primary backup")}, {countText(there.length - primary.length, "copy", "copies")}
      </Text>
      {cloud.agents.map((agent) => (
        <Text key={agent.agent_id} size="xs" c="dimmed">
          agent on {agent.host}, version {agent.version}
        </Text>
      ))}
    </Card>
  );
}

interface LostRegionProps {
  readonly project: string;
  readonly cloud: CloudStatus;
  readonly status: Status;
}

interface Affected {
  readonly service: Protection;
  /** Where it can be forked, and what that would hold; undefined: nowhere. */
  readonly best: { readonly cloud: string; readonly latest_at: string } | undefined;
  readonly forkName: string;
  /** Forks of it that there are already. */
  readonly forks: Protection["forks"];
}

function LostRegion({ project, cloud, status }: LostRegionProps) {
  const affected: readonly Affected[] = status.services
    .filter(({ cloud_name }) => cloud_name === cloud.cloud_name)
    .map((service) => ({
      service,
      best: cloud.affected.find(({ service_name }) => service_name === service.service_name)?.restorable[0],
      forkName: freeName(service.service_name, status.services),
      forks: service.forks.filter(({ cloud_name }) => cloud_name !== cloud.cloud_name),
    }));
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () =>
      new Set(
        affected.filter(({ best, forks }) => best && forks.length === 0).map(({ service }) => service.service_name),
      ),
  );
  const [isAsked, setAsked] = useState(false);
  const mayFork = useMay()("createService");
  const wanted = affected.filter(({ service, best }) => best && chosen.has(service.service_name));
  const forkAll = async () => {
    const failures: string[] = [];
    for (const { service, best, forkName } of wanted) {
      if (!best) continue;
      try {
        await beginFork({
          project,
          name: forkName,
          plan: undefined,
          source: service.service_name,
          from: best.cloud,
          target: {},
        });
      } catch (error) {
        failures.push(`${service.service_name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (failures.length > 0) throw new Error(failures.join("; "));
    setChosen(new Set());
    done(`${countText(wanted.length, "fork")} begun`);
  };
  return (
    <section>
      <Alert color="red" variant="outline" icon={<IconPlugConnectedX />} title={`${cloud.cloud_name} is down`} mb="md">
        {cloud.trouble}
        {cloud.down_since !== null && (
          <>
            , since <Moment at={cloud.down_since} />
          </>
        )}
        . When it comes back, backups and copies go on by themselves. What cannot wait can be forked in another region
        now.
      </Alert>
      {affected.length > 0 && (
        <Card
          title={`${countText(affected.length, "service")} affected`}
          actions={
            mayFork && (
              <Button
                leftSection={<IconGitFork size={16} />}
                disabled={wanted.length === 0}
                onClick={() => setAsked(true)}
              >
                Fork {wanted.length === 0 ? "them" : countText(wanted.length, "service")}…
              </Button>
            )
          }
          flush
        >
          <ListTable
            columns={[
              ...(mayFork
                ? [
                    <span key="fork" className="visually-hidden">
                      Fork it
                    </span>,
                  ]
                : []),
              "Service",
              "Can be forked in",
              "Up to",
              "Forks",
            ]}
            minWidth={600}
          >
            {affected.map(({ service, best, forks }) => (
              <Table.Tr key={service.service_name}>
                {mayFork && (
                  <Table.Td w={40}>
                    <Checkbox
                      aria-label={`Fork ${service.service_name}`}
                      disabled={!best}
                      checked={chosen.has(service.service_name)}
                      onChange={(event) =>
                        setChosen(toggled(chosen, service.service_name, event.currentTarget.checked))
                      }
                    />
                  </Table.Td>
                )}
                <Table.Td>
                  <ServiceLink project={project} name={service.service_name} />
                </Table.Td>
                <Table.Td>
                  {best ? (
                    best.cloud
                  ) : (
                    <Text span c="var(--risk)" size="sm">
                      nowhere: there is no other copy
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>{best && <Moment at={best.latest_at} />}</Table.Td>
                <Table.Td>
                  {forks.map((fork) => (
                    <Link
                      key={fork.service_name}
                      to="/projects/$project/services/$service/progress"
                      params={{ project: fork.project, service: fork.service_name }}
                      style={{ color: "var(--mantine-color-anchor)", marginRight: 8 }}
                    >
                      {fork.service_name}
                    </Link>
                  ))}
                </Table.Td>
              </Table.Tr>
            ))}
          </ListTable>
        </Card>
      )}
      {isAsked && (
        <Confirm
          title={`Fork ${countText(wanted.length, "service")}`}
          action="Begin the forks"
          run={forkAll}
          close={() => setAsked(false)}
        >
          <Stack gap={4}>
            <Text size="sm">Each to the latest moment that its copy holds, as a new service:</Text>
            {wanted.map(({ service, best, forkName }) => (
              <Text key={service.service_name} size="sm">
                <strong>{service.service_name}</strong> as {forkName} in {best?.cloud}, up to{" "}
                {best && <Moment at={best.latest_at} />}
              </Text>
            ))}
          </Stack>
        </Confirm>
      )}
    </section>
  );
}

function toggled(names: ReadonlySet<string>, name: string, isOn: boolean): ReadonlySet<string> {
  const changed = new Set(names);
  if (isOn) changed.add(name);
  else changed.delete(name);
  return changed;
}

function freeName(name: string, services: readonly Protection[]): string {
  const taken = new Set(services.map(({ service_name }) => service_name));
  for (let number = 1; ; number += 1) {
    const candidate = `${name.slice(0, 54)}-fork${number === 1 ? "" : `-${number}`}`;
    if (!taken.has(candidate)) return candidate;
  }
}
