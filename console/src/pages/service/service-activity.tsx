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
    <Loaded query={jobs} height={500}>
      {(all) => (
        <Loaded query={events} height={500}>
          {(happened) => (
            <Stack gap="lg">
              <Card title="Jobs" flush>
                <JobList project={project} jobs={all} />
              </Card>
              <Card title="Events" flush>
                <EventList project={project} events={happened.filter(({ service_name }) => service_name === service)} />
              </Card>
            </Stack>
          )}
        </Loaded>
      )}
    </Loaded>
  );
}
