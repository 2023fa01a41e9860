import type { Static } from "typebox";
import type { cancelAnswer, jobAnswer, jobsAnswer } from "../jobs.ts";
import type { rebuildAnswer, rebuildBody } from "../rebuild.ts";
import { primaryCloud, secondaryCloud } from "./clouds.ts";

type Job = Static<typeof jobAnswer>["job"];

/** One that has just been asked for. */
const queued: Job = {
  id: "6d3f0b3e-8a65-4f0e-9d0c-2f6f6a1c9b11",
  kind: "backup",
  project: "demo",
  service_name: "shop",
  cloud_name: primaryCloud,
  state: "queued",
  progress: null,
  trouble: null,
  error_code: null,
  attempts: 0,
  cancel_requested: false,
  input: { backupId: "2026-03-01T10-12-30Z-c07d", reason: "request" },
  result: null,
  create_time: "2026-03-01T10:12:30.006Z",
  start_time: null,
  finish_time: null,
};

export const backupJob: Job = queued;
export const collectJob: Job = { ...queued, kind: "collect", input: {} };
export const restoreJob: Job = {
  ...queued,
  kind: "restore",
  cloud_name: secondaryCloud,
  input: {
    fromCloud: secondaryCloud,
    backupId: "2026-03-01T03-30-04Z-1f3a",
    target: { kind: "time", at: "2026-03-01T10:00:00.000000Z" },
    directory: "/srv/pg/restored",
    delta: false,
    tablespaceMapping: {},
  },
};
export const verifyJob: Job = { ...queued, kind: "verify", cloud_name: secondaryCloud, input: { readDataPercent: 10 } };
export const lostRangeJob: Job = { ...queued, kind: "lost-range", service_name: "shop-2", input: {} };

const running: Job = {
  ...queued,
  kind: "copy",
  cloud_name: secondaryCloud,
  state: "running",
  progress: {
    phase: "copying packs",
    done: 4_194_304,
    total: 7_340_032,
    unit: "bytes",
    phase_start_time: "2026-03-01T10:12:35.400Z",
    phase_start_done: 0,
  },
  attempts: 1,
  input: { backupId: "2026-03-01T10-12-30Z-c07d" },
  start_time: "2026-03-01T10:12:35.200Z",
};

export const jobExample: Static<typeof jobAnswer> = { job: running };
export const jobsExample: Static<typeof jobsAnswer> = { jobs: [running] };
export const cancelExample: Static<typeof cancelAnswer> = {
  job: { ...running, cancel_requested: true },
  message: "cancellation was asked for",
};

export const rebuildBodyExample: Static<typeof rebuildBody> = { location: secondaryCloud };
export const rebuildExample: Static<typeof rebuildAnswer> = {
  jobs: [{ ...queued, kind: "rebuild", service_name: null, cloud_name: secondaryCloud, input: {} }],
  message: `services are looked for in ${secondaryCloud}`,
};
