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
      <Loaded query={jobs} height={500}>
        {(all) => (
          <Loaded query={events} height={500}>
            {(happened) => (
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
                  <JobList
                    project={project}
                    jobs={all.filter(({ finish_time }) => !isOpenOnly || finish_time === null)}
                  />
                </Card>
                <Card title="Events" flush>
                  <EventList project={project} events={happened} />
                </Card>
              </Stack>
            )}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}
