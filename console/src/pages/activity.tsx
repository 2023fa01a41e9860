import { Stack, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { eventsQuery, jobsQuery } from "../api/queries.ts";
import { EventList, JobList } from "../parts/activity-lists.tsx";
import { Card } from "../parts/card.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Page } from "../parts/page.tsx";

/** Everything that goes on, and what happened. */
export function Activity() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const jobs = useQuery(jobsQuery(project));
  const events = useQuery(eventsQuery(project));
  const [isOpenOnly, setOpenOnly] = useState(false);
  return (
    <Page title="Jobs and events">
      <Stack gap="lg">
        <Card
          title="Jobs"
          actions={
            <Switch
              label="only those that go on"
              checked={isOpenOnly}
              onChange={(event) => setOpenOnly(event.currentTarget.checked)}
            />
          }
          flush
        >
          <Loaded query={jobs}>
            {(all) => (
              <JobList project={project} jobs={all.filter(({ finish_time }) => !isOpenOnly || finish_time === null)} />
            )}
          </Loaded>
        </Card>
        <Card title="Events" flush>
          <Loaded query={events}>{(all) => <EventList project={project} events={all} />}</Loaded>
        </Card>
      </Stack>
    </Page>
  );
}
