import Type from "typebox";
import { chart, reportPeriodField } from "./charts.ts";
import { job } from "./jobs.ts";
import {
  alwaysNull,
  bytes,
  closed,
  moment,
  nullable,
  nullableMoment,
  nullableText,
  text,
  textsByName,
} from "./schema-parts.ts";

export const restoreBody = Type.Object(
  {
    location: text("Cloud to restore from, at whose agent the files are written"),
    directory: Type.String({
      description: "Absolute path on that agent's host; empty or absent, unless `delta` is true",
      minLength: 1,
      maxLength: 4096,
    }),
    target_time: Type.Optional(nullable(text("Time, with zone or in UTC; the latest by default", 64))),
    target_gtid: Type.Optional(
      nullable(text("MySQL: the last transaction that is wanted; without target_time and backup_name", 128)),
    ),
    backup_name: Type.Optional(
      nullable(text("Base backup to start from; without target_time nothing later is replayed", 128)),
    ),
    delta: Type.Optional(
      Type.Boolean({
        description:
          "Restore over an older restore, or over a stopped server's data directory: only what differs is read and " +
          "written, what the backup does not have is removed",
      }),
    ),
    tablespace_mapping: Type.Optional(textsByName("Where tablespaces go: original path to new one")),
    tablespace_directory: Type.Optional(
      nullable(text("Where tablespaces go that are not mapped: below it, by OID; by default below directory", 4096)),
    ),
    database: Type.Optional(nullable(text("Always refused, with what to do instead", 128))),
  },
  closed,
);

/** May be left out altogether. */
export const reportBody = nullable(Type.Object({ period: reportPeriodField }, closed));

export const backupsQuery = Type.Object({
  all: Type.Optional(Type.String({ description: "true: running and failed ones too" })),
});

const region = {
  cloud: Type.String({ description: "Name of the cloud" }),
  region: Type.String({ description: "The provider's name of the region" }),
};

const backupLocation = Type.Object({
  cloud: Type.String({ description: "Name of the cloud" }),
  role: Type.Enum(["primary", "secondary"]),
  state: Type.Enum(["waiting", "copying", "complete", "failed", "deleting"]),
  done_bytes: bytes("Stored so far"),
  total_bytes: bytes("To be stored"),
  sent_bytes: bytes("Really sent; what was there already is not sent again"),
  trouble: nullableText("Why it waits or failed"),
  expire_time: nullableMoment("When it is removed from there; null: not before a newer one is complete, or kept"),
  started_at: nullableMoment("When it began"),
  completed_at: nullableMoment("When it was complete"),
});

/** A base backup in lists of services. */
export const listedBackup = Type.Object({
  backup_name: Type.String({ description: "Sorts by time" }),
  backup_time: moment("When it was complete; of one that is not, when it began"),
  data_size: bytes("The database's files"),
  storage_location: Type.String({ description: "Cloud of the primary backup" }),
  additional_regions: Type.Array(
    Type.Object({
      ...region,
      paused: Type.Boolean({ description: "Copying to it is paused" }),
      pause_reason: nullableText("Why"),
    }),
    { description: "Clouds whose copy can be restored" },
  ),
});

export const backup = Type.Object({
  ...listedBackup.properties,
  state: Type.Enum(["running", "complete", "failed", "deleting"]),
  reason: Type.String({ description: "schedule, request, first or log_gap" }),
  trouble: nullableText("Why it failed, or fails now"),
  start_time: moment("When it began"),
  consistent_time: nullableMoment("From here on its times can be restored"),
  stored_size: bytes("Added to the primary's store"),
  file_count: Type.Integer({ description: "The database's files" }),
  engine_version: nullableText("Version of the server, such as 18.4"),
  read_by: nullableText("What read it where that was not btar itself, such as a MySQL on the agent's host, and why"),
  kept: Type.Boolean({ description: "It stays beyond its retention" }),
  keep_until: nullableMoment("Until when it stays at least; null: without end"),
  locations: Type.Array(backupLocation, { description: "Where it is, or is to be" }),
});

export const deleteBackupQuery = Type.Object({
  location: Type.Optional(Type.String({ description: "Cloud to delete it from; everywhere by default" })),
  force_last: Type.Optional(
    Type.Enum(["true", "false"], { description: "true: also when it is the last complete one of a location" }),
  ),
});

export const keepBackupBody = Type.Object(
  {
    kept: Type.Optional(Type.Boolean({ description: "Whether it stays beyond its retention; true by default" })),
    keep_until: Type.Optional(nullable(text("Time, with zone or in UTC; null or absent: without end", 64))),
  },
  closed,
);

export const verifyBody = Type.Object(
  {
    location: Type.Optional(
      Type.String({ description: "Cloud whose store is verified; all of the service's by default" }),
    ),
    read_data_percent: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 100, description: "Share of the data that is read too; 0 by default" }),
    ),
  },
  closed,
);
export const verifyAnswer = Type.Object({
  jobs: Type.Array(job, { description: "One for each location; each ends when it is verified" }),
  message: Type.String({ description: "What was asked for" }),
});

export const backupAnswer = Type.Object({ backup });
export const newBackupAnswer = Type.Object({ backup, job });
export const deleteBackupAnswer = Type.Object({
  message: Type.String({ description: "What was asked for" }),
  jobs: Type.Array(job, { description: "One for each store that it is removed from" }),
});
export const restoreAnswer = Type.Object({ job });

export const backupsAnswer = Type.Object({
  backups: Type.Array(backup, { description: "Newest first" }),
  scheduled_backup_time: Type.Object({
    backup_hour: Type.Integer({ description: "UTC" }),
    backup_minute: Type.Integer({ description: "Of the hour" }),
    backup_interval_hours: Type.Integer({ description: "Between base backups" }),
  }),
  backup_progress: alwaysNull,
  pitr: Type.Object({
    primary_region: Type.Object({
      pitr_range_start: nullableMoment("Oldest time that can be restored; null: none"),
      pitr_range_end: nullableMoment("Newest time that can be restored"),
    }),
    additional_regions: Type.Array(
      Type.Object({
        ...region,
        pitr_range_start: moment("Oldest time that can be restored"),
        pitr_range_end: moment("Newest time that can be restored"),
      }),
    ),
  }),
});

export const reportAnswer = Type.Object({
  metrics: Type.Object({
    replication_lag: Type.Optional(chart),
    data_at_risk: Type.Optional(chart),
    bytes_copied: Type.Optional(chart),
    bytes_to_copy: Type.Optional(chart),
    stored_bytes: Type.Optional(chart),
    cost: Type.Optional(chart),
  }),
});
