import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { eventsQuery, serviceJobsQuery } from "../../api/queries.ts";
import { EventList, JobList } from "../../parts/activity-lists.tsx";
import { Card } from "../../parts/card.tsx";
import { Loaded } from "../../parts/loaded.tsx";

/** Jobs and events of one service. */
export function ServiceActivity() {
  const { project, service } = useParams({ from: "/session/projects/$project/services/$service" });
  const jobs = useQuery(serviceJobsQuery(project, service));
  const events = useQuery(eventsQuery(project));
  return (
    <Stack gap="lg">
      <Card title="Jobs" flush>
        <Loaded query={jobs}>{(all) => <JobList project={project} jobs={all} />}</Loaded>
      </Card>
      <Card title="Events" flush>
        <Loaded query={events}>
          {(all) => <EventList project={project} events={all.filter(({ service_name }) => service_name === service)} />}
        </Loaded>
      </Card>
    </Stack>
  );
}
