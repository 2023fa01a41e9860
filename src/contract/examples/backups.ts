/** Examples of the API's description: a shop whose backups are in Ireland, and copied to Frankfurt. */
import type { Static } from "typebox";
import type {
  backupAnswer,
  backupsAnswer,
  deleteBackupAnswer,
  keepBackupBody,
  newBackupAnswer,
  reportAnswer,
  reportBody,
  restoreAnswer,
  restoreBody,
  verifyAnswer,
  verifyBody,
} from "../backups.ts";
import type { estimateAnswer } from "../estimate.ts";
import { primaryCloud, secondaryCloud } from "./clouds.ts";
import { backupJob, collectJob, restoreJob, verifyJob } from "./jobs.ts";

type Backup = Static<typeof backupAnswer>["backup"];

const inPrimary: Backup["locations"][number] = {
  cloud: primaryCloud,
  role: "primary",
  state: "complete",
  done_bytes: 7_340_032,
  total_bytes: 7_340_032,
  sent_bytes: 7_340_032,
  trouble: null,
  expire_time: "2026-03-03T03:30:09.412Z",
  started_at: "2026-03-01T03:30:04.100Z",
  completed_at: "2026-03-01T03:30:09.412Z",
};

const completeBackup: Backup = {
  backup_name: "2026-03-01T03-30-04Z-1f3a",
  backup_time: "2026-03-01T03:30:09.412Z",
  data_size: 31_415_926,
  storage_location: primaryCloud,
  additional_regions: [{ cloud: secondaryCloud, region: "eu-central-1", paused: false, pause_reason: null }],
  state: "complete",
  reason: "schedule",
  trouble: null,
  start_time: "2026-03-01T03:30:04.100Z",
  consistent_time: "2026-03-01T03:30:08.900Z",
  stored_size: 7_340_032,
  file_count: 1287,
  engine_version: "18.4",
  read_by: null,
  kept: false,
  keep_until: null,
  locations: [
    inPrimary,
    {
      ...inPrimary,
      cloud: secondaryCloud,
      role: "secondary",
      started_at: "2026-03-01T03:30:10.020Z",
      completed_at: "2026-03-01T03:30:12.305Z",
    },
  ],
};

/** One that has just been asked for. */
const newBackup: Backup = {
  ...completeBackup,
  backup_name: "2026-03-01T10-12-30Z-c07d",
  backup_time: "2026-03-01T10:12:30.006Z",
  data_size: 0,
  additional_regions: [],
  state: "running",
  reason: "request",
  start_time: "2026-03-01T10:12:30.006Z",
  consistent_time: null,
  stored_size: 0,
  file_count: 0,
  engine_version: null,
  locations: [
    {
      ...inPrimary,
      state: "copying",
      done_bytes: 0,
      total_bytes: 0,
      sent_bytes: 0,
      expire_time: null,
      started_at: "2026-03-01T10:12:30.006Z",
      completed_at: null,
    },
  ],
};

export const backupExample: Static<typeof backupAnswer> = { backup: completeBackup };
export const backupsExample: Static<typeof backupsAnswer> = {
  backups: [completeBackup],
  scheduled_backup_time: { backup_hour: 3, backup_minute: 30, backup_interval_hours: 24 },
  backup_progress: null,
  pitr: {
    primary_region: { pitr_range_start: "2026-02-27T03:30:08.900Z", pitr_range_end: "2026-03-01T10:12:29.800Z" },
    additional_regions: [
      {
        cloud: secondaryCloud,
        region: "eu-central-1",
        pitr_range_start: "2026-02-27T03:30:08.900Z",
        pitr_range_end: "2026-03-01T10:12:28.600Z",
      },
    ],
  },
};
export const newBackupExample: Static<typeof newBackupAnswer> = { backup: newBackup, job: backupJob };

export const keepBackupBodyExample: Static<typeof keepBackupBody> = { kept: true, keep_until: "2027-03-01T00:00:00Z" };
export const keptBackupExample: Static<typeof backupAnswer> = {
  backup: { ...completeBackup, kept: true, keep_until: "2027-03-01T00:00:00.000Z" },
};
export const deleteBackupExample: Static<typeof deleteBackupAnswer> = {
  message: "base backup 2026-03-01T03-30-04Z-1f3a is being deleted",
  jobs: [collectJob],
};

export const restoreBodyExample: Static<typeof restoreBody> = {
  location: secondaryCloud,
  directory: "/srv/pg/restored",
  target_time: "2026-03-01T10:00:00Z",
};
export const restoreExample: Static<typeof restoreAnswer> = { job: restoreJob };

export const verifyBodyExample: Static<typeof verifyBody> = { location: secondaryCloud, read_data_percent: 10 };
export const verifyExample: Static<typeof verifyAnswer> = {
  jobs: [verifyJob],
  message: `shop is verified in ${secondaryCloud}`,
};

export const reportBodyExample: Static<typeof reportBody> = { period: "hour" };
export const reportExample: Static<typeof reportAnswer> = {
  metrics: {
    replication_lag: {
      hints: { title: "Replication lag (s)" },
      data: {
        cols: [
          { label: "time", type: "date" },
          { label: secondaryCloud, type: "number" },
        ],
        rows: [
          ["2026-03-01T10:00:00", 42],
          ["2026-03-01T10:00:30", 0],
        ],
      },
    },
  },
};

export const estimateExample: Static<typeof estimateAnswer> = {
  service_name: "shop",
  from_cloud: primaryCloud,
  to_cloud: secondaryCloud,
  is_copied: false,
  bytes_to_copy: 52_428_800,
  backup_bytes_to_copy: 31_457_280,
  log_bytes_to_copy: 20_971_520,
  backups_to_copy: 2,
  bytes_per_day: 115_343_360,
  backup_bytes_per_day: 10_485_760,
  log_bytes_per_day: 104_857_600,
  bytes_per_second: 10_485_760,
  bytes_per_second_from: "limit",
  seconds_to_catch_up: 6,
  never_catches_up: false,
  stored_bytes: 52_428_800,
  stored_bytes_later: 283_115_520,
  retention_days: 2,
  money: { currency: "USD", once: 0.01, per_month_stored: 0.01, per_month_transferred: 0.07, per_month: 0.08 },
  rests_on: ["log of the last 24 hours", "base backups of the last 2 days"],
};
