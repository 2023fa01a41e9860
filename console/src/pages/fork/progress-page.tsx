import { Button, Progress, Stack, Text, Timeline } from "@mantine/core";
import { IconCheck, IconClock, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError, ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import { serviceJobsQuery, serviceQuery } from "../../api/queries.ts";
import type { Job, Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { Failure } from "../../parts/failure.tsx";
import { JobProgressBar } from "../../parts/job-progress.tsx";
import { Moment } from "../../parts/moment.tsx";
import { Page } from "../../parts/page.tsx";
import { useNow } from "../../parts/use-now.ts";
import { expectedEnd, type SeenProgress, withSeen } from "../../words/expected-end.ts";
import { durationText } from "../../words/quantities.ts";
import { ConnectionCard } from "../service/connection-card.tsx";

/** How far a fork, or a new service, is; at the end, how to connect. */
export function ProgressPage() {
  const { project, service: name } = useParams({ from: "/session/projects/$project/services/$service/progress" });
  const service = useQuery({ ...serviceQuery(project, name), refetchInterval: 2000 });
  const jobs = useQuery({ ...serviceJobsQuery(project, name), refetchInterval: 1500 });
  const [isCancelling, setCancelling] = useState(false);
  const job = jobs.data?.find(({ kind }) => kind === "fork" || kind === "provision");
  const isDone = service.data?.state === "RUNNING";
  const isGone = service.error instanceof ApiError && service.error.status === 404;
  const source = service.data?.forked_from?.serviceName;
  return (
    <Page
      title={isDone ? `${name} is running` : `${name} is being built`}
      about={source === undefined ? undefined : `forked from ${source}`}
      actions={
        isDone && (
          <Button component={Link} to={`/projects/${project}/services/${name}`}>
            To the service
          </Button>
        )
      }
    >
      {isGone && !job ? (
        <section className="card">
          <EmptyState icon={<IconX size={36} />} title="It is not there any more">
            The fork was cancelled or has failed; nothing of it is left.
          </EmptyState>
        </section>
      ) : (
        job && <Steps job={job} service={service.data} cancel={() => setCancelling(true)} />
      )}
      {isDone && service.data && <ConnectionCard service={service.data} />}
      {isCancelling && job && (
        <Confirm
          title="Cancel the fork"
          action="Cancel it"
          run={async () => await ask("DELETE", path`/project/${project}/jobs/${job.id}`)}
          close={() => setCancelling(false)}
        >
          <Text size="sm">Nothing of it stays; the source is not touched.</Text>
        </Confirm>
      )}
    </Page>
  );
}

const steps = [
  { title: "Make room", phases: /^$|reading|waiting/ },
  { title: "Restore the files", phases: /files/ },
  { title: "Replay the log", phases: /the log/ },
  { title: "Check, and take its own identity", phases: /check|start/ },
] as const;

function Steps({
  job,
  service,
  cancel,
}: {
  readonly job: Job;
  readonly service: Service | undefined;
  readonly cancel: () => void;
}) {
  const now = useNow();
  const may = useMay();
  const isEnded = job.finish_time !== null;
  const phase = job.progress?.phase ?? "";
  const found = steps.findIndex(({ phases }) => phases.test(phase));
  const active = job.state === "complete" ? steps.length : Math.max(0, found);
  const seconds =
    job.start_time === null
      ? 0
      : ((isEnded ? Date.parse(job.finish_time ?? "") : now.getTime()) - Date.parse(job.start_time)) / 1000;
  return (
    <Card
      title={job.state === "complete" ? "Done" : job.state === "failed" ? "It failed" : "Progress"}
      about={
        <>
          begun <Moment at={job.start_time ?? job.create_time} />, {durationText(seconds)}{" "}
          {isEnded ? "in all" : "so far"}
        </>
      }
      actions={
        !isEnded &&
        may("cancelJob") && (
          <Button size="xs" variant="default" onClick={cancel}>
            Cancel…
          </Button>
        )
      }
    >
      <Timeline active={active - 1} bulletSize={24} lineWidth={2}>
        {steps.map(({ title }, index) => (
          <Timeline.Item
            key={title}
            title={title}
            bullet={index < active ? <IconCheck size={14} /> : <IconClock size={14} />}
          >
            {index === active && !isEnded && (
              <>
                <JobProgressBar job={job} />
                <EndOfStep job={job} now={now.getTime()} />
              </>
            )}
          </Timeline.Item>
        ))}
      </Timeline>
      {job.state === "failed" && <Failure error={new Error(job.trouble ?? "no reason was told")} />}
      {job.state === "waiting" && <Text c="var(--catching)">{job.trouble}</Text>}
      {service?.forked_from?.lastCommitAt !== undefined && (
        <Text size="sm">
          The last transaction that it holds was committed <Moment at={service.forked_from.lastCommitAt} />
          {service.forked_from.stoppedAt !== undefined && `, at ${service.forked_from.stoppedAt}`}.
        </Text>
      )}
      {job.state === "complete" && <Progress value={100} color="green.8" size="sm" aria-label="done" />}
      <Stack />
    </Card>
  );
}

/** When the step that goes on will end, and what that rests on. */
function EndOfStep({ job, now }: { readonly job: Job; readonly now: number }) {
  const { progress } = job;
  const [seen, setSeen] = useState<readonly SeenProgress[]>([]);
  const newest = seen.at(-1);
  if (progress?.done !== undefined && (newest?.phase !== progress.phase || newest.done !== progress.done)) {
    setSeen(withSeen(seen, { phase: progress.phase, at: now, done: progress.done }));
  }
  const end = progress && job.state === "running" ? expectedEnd(progress, { seen, now }) : undefined;
  return (
    <Text size="sm" c="dimmed" mih="1.55em">
      {end && (
        <>
          ends in about {durationText(end.secondsLeft)}, at{" "}
          <Moment at={new Date(now + Math.round(end.secondsLeft) * 1000)} /> ({end.basis})
        </>
      )}
    </Text>
  );
}
