import { ActionIcon, Table, Text, Tooltip } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconClock,
  IconInfoCircle,
  IconPlayerStop,
  IconX,
} from "@tabler/icons-react";
import { ask, path } from "../api/client.ts";
import { useMay } from "../api/may.ts";
import type { Event, Job } from "../api/types.ts";
import { jobTitle } from "../words/states.ts";
import { EmptyState } from "./empty-state.tsx";
import { JobProgressBar } from "./job-progress.tsx";
import { ListTable } from "./list-table.tsx";
import { Moment } from "./moment.tsx";
import { act } from "./notify.ts";
import { ServiceLink } from "./service-link.tsx";

/** Long work: what goes on, and what came of it. */
export function JobList({ project, jobs }: { readonly project: string; readonly jobs: readonly Job[] }) {
  const may = useMay();
  if (jobs.length === 0) {
    return (
      <EmptyState icon={<IconClock size={36} />} title="Nothing was done yet">
        Backups, copies, forks and verifications are shown here while they run, and afterwards.
      </EmptyState>
    );
  }
  return (
    <ListTable columns={["Job", "Service", "Where", "State", "Asked for", undefined]} minWidth={640}>
      {jobs.map((job) => (
        <Table.Tr key={job.id}>
          <Table.Td>{jobTitle(job.kind)}</Table.Td>
          <Table.Td>{job.service_name !== null && <ServiceLink project={project} name={job.service_name} />}</Table.Td>
          <Table.Td>{job.cloud_name}</Table.Td>
          <Table.Td maw={420}>
            <JobState job={job} />
          </Table.Td>
          <Table.Td>
            <Moment at={job.create_time} />
          </Table.Td>
          <Table.Td ta="right">
            {may("cancelJob") && job.finish_time === null && !job.cancel_requested && (
              <Tooltip label="Cancel">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Cancel ${jobTitle(job.kind)} of ${job.service_name ?? project}`}
                  onClick={() =>
                    act("It is being cancelled", () => ask("DELETE", path`/project/${project}/jobs/${job.id}`))
                  }
                >
                  <IconPlayerStop size={16} />
                </ActionIcon>
              </Tooltip>
            )}
          </Table.Td>
        </Table.Tr>
      ))}
    </ListTable>
  );
}

function JobState({ job }: { readonly job: Job }) {
  if (job.state === "running") return <JobProgressBar job={job} />;
  const color = job.state === "failed" ? "var(--risk)" : job.state === "waiting" ? "var(--catching)" : undefined;
  return (
    <>
      <Text size="sm" c={color}>
        {job.cancel_requested && job.finish_time === null ? "being cancelled" : job.state}
      </Text>
      {job.trouble !== null && (
        <Text size="xs" c="dimmed" lineClamp={3}>
          {job.trouble}
        </Text>
      )}
    </>
  );
}

const severities = {
  info: { Icon: IconInfoCircle, color: "var(--none)" },
  warning: { Icon: IconAlertTriangle, color: "var(--catching)" },
  error: { Icon: IconX, color: "var(--risk)" },
} as const;

/** What happened, newest first. */
export function EventList({ project, events }: { readonly project: string; readonly events: readonly Event[] }) {
  if (events.length === 0) {
    return (
      <EmptyState icon={<IconCircleCheck size={36} />} title="Nothing has happened yet">
        What btar and people do is written down here.
      </EmptyState>
    );
  }
  return (
    <ListTable columns={["When", "What", "Service", "By"]} minWidth={560} spacing="xs">
      {events.map((event) => {
        const { Icon, color } = severities[event.severity];
        return (
          <Table.Tr key={event.id}>
            <Table.Td style={{ whiteSpace: "nowrap" }}>
              <Moment at={event.time} />
            </Table.Td>
            <Table.Td>
              <div style={{ display: "flex", gap: 8 }}>
                <Icon size={18} color={color} style={{ flexShrink: 0, marginTop: 2 }} aria-label={event.severity} />
                <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                  {event.event_desc}
                </Text>
              </div>
            </Table.Td>
            <Table.Td>
              {event.service_name !== null && <ServiceLink project={project} name={event.service_name} />}
            </Table.Td>
            <Table.Td>{event.actor}</Table.Td>
          </Table.Tr>
        );
      })}
    </ListTable>
  );
}
