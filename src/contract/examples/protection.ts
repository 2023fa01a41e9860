import type { Static } from "typebox";
import type { deletedServicesAnswer, undeleteBody } from "../deleted-services.ts";
import type { locationBody } from "../locations.ts";
import type { extractLostRangeAnswer, extractLostRangeBody, lostRangeAnswer } from "../lost-range.ts";
import type { protectionAnswer, statusAnswer } from "../status.ts";
import { primaryCloud, secondaryCloud } from "./clouds.ts";
import { lostRangeJob } from "./jobs.ts";

type Protection = Static<typeof protectionAnswer>;

const inPrimary: Protection["locations"][number] = {
  cloud: primaryCloud,
  role: "primary",
  state: "active",
  awaits: [],
  paused: false,
  pause_reason: null,
  bandwidth_limit: null,
  retention_days: 2,
  delete_after: null,
  trouble: null,
  replication_lag_seconds: null,
  is_behind: false,
  rpo_seconds: 0.6,
  recovery_window: { earliest_at: "2026-02-27T03:30:08.900Z", latest_at: "2026-03-01T10:12:29.800Z" },
  log: { stream: "7613286638777042800-00000001", end: "0000000005000000", stored_at: "2026-03-01T10:12:29.800Z" },
  complete_backups: 2,
  verification: {
    last_verified_at: "2026-03-01T04:00:00.000Z",
    data_verified_at: "2026-02-20T04:00:00.000Z",
    verified_until: "2026-03-01T04:00:00.000Z",
    damaged: [],
  },
};

const inSecondary: Protection["locations"][number] = {
  ...inPrimary,
  cloud: secondaryCloud,
  role: "secondary",
  replication_lag_seconds: 1.2,
  rpo_seconds: 1.8,
  recovery_window: { earliest_at: "2026-02-27T03:30:08.900Z", latest_at: "2026-03-01T10:12:28.600Z" },
};

export const protectionExample: Protection = {
  service_name: "shop",
  service_type: "pg",
  service_kind: "managed",
  cloud_name: primaryCloud,
  state: "RUNNING",
  trouble: null,
  reservation_warning: null,
  locations: [inPrimary, inSecondary],
  forks: [
    {
      project: "demo",
      service_name: "shop-2",
      cloud_name: secondaryCloud,
      state: "RUNNING",
      target: "2026-03-01T10:00:00.000000Z",
    },
  ],
};

export const locationBodyExample: Static<typeof locationBody> = {
  paused: true,
  pause_reason: "the link is needed until Monday",
};
export const locationExample: Protection = {
  ...protectionExample,
  locations: [inPrimary, { ...inSecondary, paused: true, pause_reason: "the link is needed until Monday" }],
};

export const statusExample: Static<typeof statusAnswer> = {
  lag_objective_seconds: 900,
  clouds: [
    {
      cloud_name: primaryCloud,
      is_up: false,
      trouble: "no agent answers",
      down_since: "2026-03-01T10:12:45.000Z",
      affected: [
        {
          service_name: "shop",
          role: "primary",
          restorable: [{ cloud: secondaryCloud, latest_at: "2026-03-01T10:12:28.600Z" }],
        },
      ],
      store_since: "2026-03-01T10:12:44.000Z",
      agents: [],
    },
    {
      cloud_name: secondaryCloud,
      is_up: true,
      trouble: null,
      down_since: null,
      affected: [],
      store_since: "2026-02-01T00:00:00.000Z",
      agents: [
        {
          agent_id: `${secondaryCloud}@host-7`,
          host: "host-7",
          pid: 4711,
          version: "0.1.0",
          seen_at: "2026-03-01T10:13:00.000Z",
        },
      ],
    },
  ],
  links: [
    {
      from_cloud: primaryCloud,
      to_cloud: secondaryCloud,
      copies: 1,
      bandwidth_limit: null,
      bytes_per_second: 48_210.5,
      bytes_last_hour: 173_015_040,
      bytes_last_day: 4_294_967_296,
    },
  ],
  services: [protectionExample],
};

export const deletedServicesExample: Static<typeof deletedServicesAnswer> = {
  services: [
    {
      service_name: "shop",
      service_id: "e7edafe4-608b-441b-a390-fb59d65bdaec",
      service_type: "pg",
      service_kind: "managed",
      cloud_name: primaryCloud,
      plan: "startup-4",
      delete_time: "2026-03-01T10:15:00.000Z",
      backups_until: "2026-03-04T10:15:00.000Z",
      locations: [
        {
          cloud: secondaryCloud,
          role: "secondary",
          complete_backups: 2,
          delete_after: null,
          recovery_window: { earliest_at: "2026-02-27T03:30:08.900Z", latest_at: "2026-03-01T10:14:58.600Z" },
        },
      ],
    },
  ],
};
export const undeleteBodyExample: Static<typeof undeleteBody> = { service_id: "e7edafe4-608b-441b-a390-fb59d65bdaec" };

const forkEnd = {
  stream: "7613286638777042800-00000001",
  position: "0000000005000000",
  text: "0/5000000 on timeline 1",
};

export const lostRangeExample: Static<typeof lostRangeAnswer> = {
  lost_range: {
    service_name: "shop-2",
    source_project: "demo",
    source_service_name: "shop",
    source_cloud_name: primaryCloud,
    source_deleted: false,
    state: "present",
    explanation: "shop-2 lacks what shop has committed: `btar fork lost-range shop-2 --extract DIR` extracts it",
    fork_end: forkEnd,
    fork_last_commit_time: "2026-03-01T10:12:28.600Z",
    store_end: { ...forkEnd, position: "0000000005200000", text: "0/5200000 on timeline 1" },
    store_newest_commit_time: "2026-03-01T10:12:40.100Z",
    examined_at: "2026-03-01T14:00:00.000Z",
    examination_job_id: lostRangeJob.id,
    stored_since: false,
    transactions: 26,
    transactions_on_server_only: 6,
    transactions_after_fork: 0,
    partial_transactions: 0,
    account_transactions: 0,
    other_transactions: 0,
    first_commit_time: "2026-03-01T10:12:28.700Z",
    last_commit_time: "2026-03-01T10:12:44.200Z",
    store_bytes: 2_097_152,
    server_end: { ...forkEnd, position: "0000000005280000", text: "0/5280000 on timeline 1" },
    server_bytes: 524_288,
    server_trouble: null,
    left_history_at: null,
    gaps: [],
    tables: [{ name: "defaultdb.public.orders", kind: "table", inserts: 40, updates: 3, deletes: 0, transactions: 26 }],
    more_tables: 0,
    names_trouble: null,
    directory: "/srv/lost",
  },
};
export const extractLostRangeBodyExample: Static<typeof extractLostRangeBody> = { directory: "/srv/lost" };
export const extractLostRangeExample: Static<typeof extractLostRangeAnswer> = {
  job: { ...lostRangeJob, input: { directory: "/srv/lost" } },
};
