import { Box, Button, Group, Text, Title } from "@mantine/core";
import { IconGitFork } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { useMay } from "../../api/may.ts";
import { serviceQuery, statusQuery } from "../../api/queries.ts";
import type { Service } from "../../api/types.ts";
import { EngineMark, engineTitle } from "../../parts/engine-mark.tsx";
import { Failure } from "../../parts/failure.tsx";
import { useTitle } from "../../parts/page.tsx";
import { useNow } from "../../parts/use-now.ts";
import { VerdictMark } from "../../parts/verdict-mark.tsx";
import { stateText } from "../../words/states.ts";
import { verdictOf } from "../../words/verdict.ts";
import classes from "./service.module.css";

const tabs = [
  { value: "", title: "Backups" },
  { value: "/connect", title: "Connect" },
  { value: "/configuration", title: "Configuration" },
  { value: "/metrics", title: "Metrics" },
  { value: "/logs", title: "Logs" },
  { value: "/activity", title: "Jobs and events" },
  { value: "/lost-range", title: "What it lacks" },
] as const;

/** Keeps the place of a line of text. */
const nothingYet = "\u00a0";

/** What is around all pages of a service. */
export function ServiceShell() {
  const { project, service: name } = useParams({ from: "/session/projects/$project/services/$service" });
  useTitle(name);
  const { data: service, error } = useQuery(serviceQuery(project, name));
  const { data: status } = useQuery(statusQuery(project));
  const now = useNow(5000);
  const may = useMay();
  const base = `/projects/${project}/services/${name}`;
  const protection = status?.services.find(({ service_name }) => service_name === name);
  const isAttached = service?.service_kind === "attached";
  if (error && !service) return <Failure error={error} />;
  return (
    <>
      <Group justify="space-between" align="center" mb="md" gap="sm">
        <Group gap="sm" wrap="nowrap" style={{ minWidth: 0 }}>
          <EngineMark engine={service?.service_type ?? "pg"} size={40} />
          <div style={{ minWidth: 0 }}>
            <Title order={1} size="h2" lh={1.2} style={{ overflowWrap: "anywhere" }}>
              {name}
            </Title>
            <Text size="sm" c="dimmed">
              {service
                ? `${engineTitle(service.service_type)} ${versionOf(service.metadata)} · ${service.cloud_name} · ${stateText(service.state)}${isAttached ? " · attached" : ""}`
                : nothingYet}
            </Text>
          </div>
        </Group>
        <Group className={classes["verdict"]}>
          <Box mih={22}>
            {protection && status && (
              <VerdictMark
                verdict={verdictOf(protection, {
                  clouds: status.clouds,
                  lagObjectiveSeconds: status.lag_objective_seconds,
                  now,
                })}
              />
            )}
          </Box>
          {may("createService") && (
            <Button component={Link} to={`${base}/fork`} variant="filled" leftSection={<IconGitFork size={16} />}>
              Fork and restore
            </Button>
          )}
        </Group>
      </Group>
      <nav className={classes["tabs"]} aria-label={`Pages of ${name}`}>
        {tabs
          .filter(({ value }) => !isAttached || (value !== "/metrics" && value !== "/logs"))
          .filter(({ value }) => value !== "/logs" || may("readServerLog"))
          .filter(({ value }) => value !== "/lost-range" || isMadeFork(service))
          .map(({ value, title }) => (
            <Link key={value} to={`${base}${value}`} activeOptions={{ exact: true }} className={classes["tab"]}>
              {title}
            </Link>
          ))}
      </nav>
      <Outlet />
    </>
  );
}

/** Its end in the log of its source is known. */
function isMadeFork(service: Service | undefined): boolean {
  return service?.forked_from?.stoppedAt !== undefined && service.state !== "REBUILDING";
}

function versionOf({ pg_version, mysql_version }: { readonly pg_version?: string; readonly mysql_version?: string }) {
  return pg_version ?? mysql_version ?? "";
}
