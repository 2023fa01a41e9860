import { Button } from "@mantine/core";
import { IconDatabasePlus, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useMay } from "../../api/may.ts";
import { statusQuery } from "../../api/queries.ts";
import type { Status } from "../../api/types.ts";
import { EmptyState } from "../../parts/empty-state.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Page } from "../../parts/page.tsx";
import { useNow } from "../../parts/use-now.ts";
import { useLive } from "../../shell/project-shell.tsx";
import { countText } from "../../words/quantities.ts";
import { verdictOf } from "../../words/verdict.ts";
import { CloudsStrip } from "./clouds-strip.tsx";
import { ServiceTable } from "./service-table.tsx";
import type { JudgedService } from "./sorting.ts";

/** Is every service safe in a second region, how far behind is it, and what could be got back? */
export function Overview() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const status = useQuery(statusQuery(project));
  const isLive = useLive();
  const may = useMay();
  return (
    <Page
      title="Services"
      about={status.data ? summaryOf(status.data) : "…"}
      actions={
        may("createService") && (
          <Button component={Link} to={`/projects/${project}/new`} leftSection={<IconPlus size={16} />}>
            New service
          </Button>
        )
      }
    >
      <Loaded query={status} height={480}>
        {(data) => <Judged project={project} status={data} isLive={isLive} />}
      </Loaded>
    </Page>
  );
}

function Judged({
  project,
  status,
  isLive,
}: {
  readonly project: string;
  readonly status: Status;
  readonly isLive: boolean;
}) {
  const now = useNow(5000);
  const may = useMay();
  const judged = useMemo<readonly JudgedService[]>(
    () =>
      status.services.map((service) => ({
        service,
        verdict: verdictOf(service, { clouds: status.clouds, lagObjectiveSeconds: status.lag_objective_seconds, now }),
      })),
    [status, now],
  );
  return (
    <>
      <CloudsStrip project={project} status={status} />
      {judged.length === 0 ? (
        <section className="card">
          <EmptyState
            icon={<IconDatabasePlus size={40} stroke={1.5} />}
            title="No database is protected yet"
            action={
              may("createService") && (
                <Button component={Link} to={`/projects/${project}/new`} mt="sm">
                  Attach or create one
                </Button>
              )
            }
          >
            Attach a PostgreSQL or MySQL server that runs anywhere, or let btar run one. Its backups and log go to a
            second region as well.
          </EmptyState>
        </section>
      ) : (
        <ServiceTable project={project} services={judged} isLive={isLive} />
      )}
    </>
  );
}

function summaryOf({ services, clouds, lag_objective_seconds: lagObjectiveSeconds }: Status): string {
  if (services.length === 0) return "Nothing here yet.";
  const now = new Date();
  const safe = services.filter((service) => verdictOf(service, { clouds, lagObjectiveSeconds, now }).level === "safe");
  if (safe.length === services.length) {
    return services.length === 1
      ? "The service is protected in a second region."
      : `All ${services.length.toLocaleString("en")} services are protected in a second region.`;
  }
  return `${safe.length.toLocaleString("en")} of ${countText(services.length, "service")} protected in a second region.`;
}
