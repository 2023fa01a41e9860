/** How much an event wants somebody: `info` not at all, `warning` soon, `error` now. */
export const eventSeverities = ["info", "warning", "error"] as const;

export type EventSeverity = (typeof eventSeverities)[number];

/** Every kind of event, and what whoever reads it should do; null where there is nothing to do. */
export const eventAdvice = {
  // what people did
  project_create: null,
  project_update: null,
  member_add: null,
  member_update: null,
  member_remove: null,
  service_create: null,
  service_attach: null,
  service_update: null,
  service_delete: null,
  service_undelete: null,
  user_create: null,
  user_delete: null,
  user_reset: null,
  database_create: null,
  database_delete: null,
  backup_request: null,
  backup_delete: null,
  backup_keep: null,
  backup_release: null,
  location_enabled: null,
  location_disabled: null,
  location_retiring: null,
  location_retention: null,
  location_paused: "btar location resume, when the reason is over: until then data at risk grows there",
  location_resumed: null,
  rebuild_request: null,
  notification_create: null,
  notification_update: null,
  notification_delete: null,
  // what btar did
  service_running: null,
  service_rebuilt: null,
  service_backups_ending: null,
  backup_complete: null,
  backup_deleted: null,
  backup_expired: null,
  copy_complete: null,
  fork_complete: null,
  undelete_complete: null,
  location_removed: null,
  location_caught_up: null,
  cloud_up: null,
  slot_released_wal: null,
  trouble_over: null,
  // what wants somebody
  service_crashed: "look at the server's log (btar service logs); if it goes on, at room and memory of its host",
  backup_failed: "mend what the message names, then btar backup create; the log goes on meanwhile",
  copy_failed: "mend what the message names; the next base backup is copied anew, or take one now: btar backup create",
  fork_failed: "mend what the message names, and fork again; nothing is left of this attempt",
  undelete_failed: "mend what the message names, and try again: its backups stay until their grace time is over",
  job_failed: "btar jobs get tells more; mend what the message names, and ask for it again",
  service_trouble: "btar status tells what is at risk; mend what the message names: btar goes on by itself",
  location_trouble: "btar status tells what is at risk; mend what the message names: btar goes on by itself",
  job_trouble: "mend what the message names: btar goes on by itself, or end the job with btar jobs cancel",
  location_behind: "look at the link between the clouds, and at limits.bandwidth; btar status tells the data at risk",
  cloud_down: "look at the agents and the store of the cloud; if it stays away: docs/runbook-region-gone.md",
  log_gap: "let the server keep more log, or mend what kept it from being stored; a new base backup is taken",
  database_replaced: "nothing, if you meant it: backups of the one before stay apart",
  history_changed: "detach the service, and attach the server again under another name; its backups stay",
  slot_holds_wal: "find out why the log is not stored (btar status); if the server's disk fills, drop its slot",
  slot_left_behind: "drop the slot on the server, or its disk fills",
  damage_found: "bring the other location back, or take a new base backup: btar backup create",
  object_healed: "nothing, if it happens once; else look at the store's disks",
  stray_object: "nothing restores from it; find out who else writes into the store",
  removal_refused: "nothing, if the store is to keep it (object lock); else allow btar to remove it",
  lost_range: "btar fork lost-range tells which transactions the fork lacks; docs/runbook-region-gone.md",
  certificate_ends: "write a new certificate into the files of tls.certificate and tls.key; it is taken by itself",
  notification_failed:
    "btar notification deliveries tells why; mend the destination, and try it: btar notification test",
} as const satisfies Record<string, string | null>;

/** Stable words; clients and alerts know them. */
export type EventKind = keyof typeof eventAdvice;

export const eventKinds = Object.keys(eventAdvice) as readonly EventKind[];

/** What to do about an event; null where there is nothing to do, as for kinds of other versions of btar. */
export function adviceFor(kind: string, severity: EventSeverity): string | null {
  return severity !== "info" && Object.hasOwn(eventAdvice, kind) ? eventAdvice[kind as EventKind] : null;
}
