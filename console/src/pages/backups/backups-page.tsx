import { Button, Group, SimpleGrid, Stack } from "@mantine/core";
import { IconDatabaseExport, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import { backupsQuery, protectionQuery, reachQuery, serviceQuery } from "../../api/queries.ts";
import { Loaded } from "../../parts/loaded.tsx";
import { act } from "../../parts/notify.ts";
import { BackupTable } from "./backup-table.tsx";
import type { Choose } from "./clicks.ts";
import { Forks } from "./forks.tsx";
import { LagReport } from "./lag-report.tsx";
import { Locations } from "./locations.tsx";
import { Timeline } from "./timeline.tsx";

/** What of a service is stored where, what it reaches, and what can be done about it. */
export function BackupsPage() {
  const { project, service } = useParams({ from: "/session/projects/$project/services/$service" });
  const protection = useQuery(protectionQuery(project, service));
  const reach = useQuery(reachQuery(project, service));
  const backups = useQuery(backupsQuery(project, service));
  const self = useQuery(serviceQuery(project, service));
  const navigate = useNavigate();
  const may = useMay();
  const fork: Choose = (from, { at, backup }) =>
    void navigate({
      to: "/projects/$project/services/$service/fork",
      params: { project, service },
      search: { from, ...(at ? { at: at.toISOString() } : {}), ...(backup === undefined ? {} : { backup }) },
    });
  const url = path`/project/${project}/service/${service}`;
  return (
    <Stack gap="lg">
      <Group gap="xs">
        {may("backUp") && (
          <Button
            variant="default"
            leftSection={<IconDatabaseExport size={16} />}
            onClick={() => act("A base backup was asked for", () => ask("POST", `${url}/backups`))}
          >
            Back up now
          </Button>
        )}
        {may("verify") && (
          <Button
            variant="default"
            leftSection={<IconShieldCheck size={16} />}
            onClick={() => act("All locations are being verified", () => ask("POST", `${url}/btar/verify`, {}))}
          >
            Verify
          </Button>
        )}
      </Group>
      <Loaded query={protection} height={260}>
        {(known) => (
          <Loaded query={reach} height={260}>
            {(locations) => (
              <Loaded query={backups} height={260}>
                {(listed) => (
                  <>
                    <Timeline
                      protection={known}
                      reach={locations}
                      backups={listed.backups}
                      click={may("createService") ? { does: "fork", choose: fork } : undefined}
                    />
                    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
                      <Locations project={project} protection={known} service={self.data} />
                      <LagReport project={project} service={service} hasCopy={known.locations.length > 1} />
                    </SimpleGrid>
                    <BackupTable project={project} protection={known} backups={listed.backups} />
                    {known.forks.length > 0 && <Forks forks={known.forks} />}
                  </>
                )}
              </Loaded>
            )}
          </Loaded>
        )}
      </Loaded>
    </Stack>
  );
}
