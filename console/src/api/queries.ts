import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { ReportPeriod } from "../../../src/contract/charts.ts";
import { ask, path } from "./client.ts";
import type {
  Backups,
  Chart,
  Cloud,
  Event,
  Job,
  LostRange,
  Me,
  Person,
  Project,
  Protection,
  Reach,
  Service,
  Status,
  Token,
} from "./types.ts";

/** Without news by the stream of changes, and for what grows old by itself. */
const slowly = 15_000;

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async () => (await ask<{ user: Me }>("GET", "/me")).user,
  staleTime: 60_000,
});

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: async () => (await ask<{ projects: readonly Project[] }>("GET", "/project")).projects,
  staleTime: 60_000,
});

export const cloudsQuery = queryOptions({
  queryKey: ["clouds"],
  queryFn: async () => (await ask<{ clouds: readonly Cloud[] }>("GET", "/clouds")).clouds,
  staleTime: 300_000,
});

export const peopleQuery = queryOptions({
  queryKey: ["people"],
  queryFn: async () => (await ask<{ users: readonly Person[] }>("GET", "/btar/user")).users,
});

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: async () => (await ask<{ tokens: readonly Token[] }>("GET", "/access_token")).tokens,
});

export const statusQuery = (project: string) =>
  queryOptions({
    queryKey: ["project", project, "status"],
    queryFn: async () => await ask<Status>("GET", path`/project/${project}/btar/status`),
    refetchInterval: slowly,
  });

export const eventsQuery = (project: string) =>
  queryOptions({
    queryKey: ["project", project, "events"],
    queryFn: async () =>
      (await ask<{ events: readonly Event[] }>("GET", `${path`/project/${project}/events`}?limit=500`)).events,
  });

export const jobsQuery = (project: string) =>
  queryOptions({
    queryKey: ["project", project, "jobs"],
    queryFn: async () => (await ask<{ jobs: readonly Job[] }>("GET", path`/project/${project}/jobs`)).jobs,
  });

const ofService = (project: string, name: string, what: string) => ["project", project, "service", name, what] as const;

export const serviceQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "self"),
    queryFn: async () => (await ask<{ service: Service }>("GET", path`/project/${project}/service/${name}`)).service,
  });

export const protectionQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "protection"),
    queryFn: async () => await ask<Protection>("GET", path`/project/${project}/service/${name}/btar`),
    refetchInterval: slowly,
  });

export const reachQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "reach"),
    queryFn: async () => (await ask<Reach>("GET", path`/project/${project}/service/${name}/btar/reach`)).locations,
    refetchInterval: slowly,
  });

export const backupsQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "backups"),
    queryFn: async () => await ask<Backups>("GET", `${path`/project/${project}/service/${name}/backups`}?all=true`),
    refetchInterval: slowly,
  });

/** Of a fork. */
export const lostRangeQuery = (project: string, fork: string) =>
  queryOptions({
    queryKey: ofService(project, fork, "lost-range"),
    queryFn: async () =>
      (await ask<{ lost_range: LostRange }>("GET", path`/project/${project}/service/${fork}/btar/lost_range`))
        .lost_range,
    refetchInterval: slowly,
  });

export const serviceJobsQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "jobs"),
    queryFn: async () =>
      (await ask<{ jobs: readonly Job[] }>("GET", path`/project/${project}/service/${name}/jobs`)).jobs,
    refetchInterval: slowly,
  });

export const lagReportQuery = (project: string, name: string, period: ReportPeriod) =>
  queryOptions({
    queryKey: [...ofService(project, name, "lag"), period],
    queryFn: async () =>
      (
        await ask<{ metrics: { replication_lag?: Chart; data_at_risk?: Chart } }>(
          "POST",
          path`/project/${project}/service/${name}/backup_to_another_region/report`,
          { period },
        )
      ).metrics,
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });

export const metricsQuery = (project: string, name: string, period: ReportPeriod) =>
  queryOptions({
    queryKey: [...ofService(project, name, "metrics"), period],
    queryFn: async () =>
      (
        await ask<{ metrics: Readonly<Record<string, Chart>> }>(
          "POST",
          path`/project/${project}/service/${name}/metrics`,
          { period },
        )
      ).metrics,
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });

export interface LogLine {
  readonly time: string;
  readonly hostname: string;
  readonly unit: string;
  readonly msg: string;
}

export const logsQuery = (project: string, name: string) =>
  queryOptions({
    queryKey: ofService(project, name, "logs"),
    queryFn: async () =>
      (
        await ask<{ logs: readonly LogLine[] }>("POST", path`/project/${project}/service/${name}/logs`, {
          limit: 500,
        })
      ).logs,
    refetchInterval: 5000,
  });

export interface RecentLag {
  readonly service_name: string;
  readonly lag_seconds: readonly (number | null)[];
  readonly rpo_seconds: readonly (number | null)[];
}

/** @param names at most 100 */
export const recentLagQuery = (project: string, names: readonly string[]) =>
  queryOptions({
    queryKey: ["recent-lag", project, names],
    queryFn: async () => {
      if (names.length === 0) return new Map<string, RecentLag>();
      const query = `services=${encodeURIComponent(names.join(","))}`;
      const { services } = await ask<{ services: readonly RecentLag[] }>(
        "GET",
        `${path`/project/${project}/btar/lag`}?${query}`,
      );
      return new Map(services.map((service) => [service.service_name, service]));
    },
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
