import { sql } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";
import { cloudStates } from "../status/cloud-states.ts";
import type { Family } from "./families.ts";

/** What there is to measure of clouds, jobs and events. */
export async function systemFamilies(context: ControlPlaneContext): Promise<readonly Family[]> {
  return [...(await familiesOfClouds(context)), ...(await familiesOfJobs(context)), await familyOfEvents(context)];
}

async function familiesOfClouds(context: ControlPlaneContext): Promise<readonly Family[]> {
  const clouds = await cloudStates(context);
  return [
    {
      name: "btar_cloud_up",
      help: "1 while an agent lives there and its store answers",
      type: "gauge",
      samples: clouds.map(({ cloud_name: cloud, is_up }) => ({ labels: { cloud }, value: Number(is_up) })),
    },
    {
      name: "btar_cloud_agents",
      help: "Living agents",
      type: "gauge",
      samples: clouds.map(({ cloud_name: cloud, agents }) => ({ labels: { cloud }, value: agents.length })),
    },
  ];
}

async function familiesOfJobs({ catalog, clock, configuration }: ControlPlaneContext): Promise<readonly Family[]> {
  const { rows } = await sql<{ kind: string; cloud: string; state: string; count: number; oldest: Date }>`
    select kind, cloud, state, count(*) as count, min(created_at) as oldest from job
    where state in ('queued', 'running', 'waiting') group by 1, 2, 3`.execute(catalog.db);
  const now = clock.now().getTime();
  const samples = (value: (row: (typeof rows)[number]) => number) =>
    rows.map((row) => ({ labels: { kind: row.kind, cloud: row.cloud, state: row.state }, value: value(row) }));
  const queued = (cloud: string) =>
    rows.reduce((sum, row) => sum + (row.cloud === cloud && row.state === "queued" ? row.count : 0), 0);
  return [
    {
      name: "btar_queue_depth",
      help: "Jobs that wait for an agent of the cloud",
      type: "gauge",
      samples: cloudNames(configuration).map((cloud) => ({ labels: { cloud }, value: queued(cloud) })),
    },
    await familyOfEndedJobs(catalog.db),
    { name: "btar_jobs", help: "Jobs that have not ended", type: "gauge", samples: samples(({ count }) => count) },
    {
      name: "btar_jobs_oldest_seconds",
      help: "Age of the oldest of them",
      type: "gauge",
      samples: samples(({ oldest }) => Math.max(0, now - oldest.getTime()) / 1000),
    },
  ];
}

async function familyOfEndedJobs(db: CatalogDatabase): Promise<Family> {
  const { rows } = await sql<{ kind: string; cloud: string; state: string; count: number }>`
    select kind, cloud, state, count(*) as count from job
    where state in ('complete', 'failed', 'cancelled') group by 1, 2, 3`.execute(db);
  return {
    name: "btar_jobs_ended_total",
    help: "Jobs that have ended, by how",
    type: "counter",
    samples: rows.map(({ count, ...labels }) => ({ labels, value: count })),
  };
}

async function familyOfEvents({ catalog }: ControlPlaneContext): Promise<Family> {
  const { rows } = await sql<{ project: string; event: string; severity: string; count: number }>`
    select project, kind as event, severity, count(*) as count from event group by 1, 2, 3`.execute(catalog.db);
  return {
    name: "btar_events_total",
    help: "Events since the installation was made",
    type: "counter",
    samples: rows.map(({ count, ...labels }) => ({ labels, value: count })),
  };
}
