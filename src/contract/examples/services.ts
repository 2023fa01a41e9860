import type { Static } from "typebox";
import type { attachAnswer, attachServiceBody, preflightAnswer, preflightBody } from "../attached-services.ts";
import type { serviceAnswer } from "../services.ts";
import { primaryCloud, secondaryCloud } from "./clouds.ts";

type Service = Static<typeof serviceAnswer>["service"];

/** Deleted, and being restored. */
const undeleted: Service = {
  service_id: "e7edafe4-608b-441b-a390-fb59d65bdaec",
  service_name: "shop",
  service_type: "pg",
  service_type_description: "PostgreSQL - Object-Relational Database Management System",
  service_kind: "managed",
  state: "REBUILDING",
  trouble: null,
  plan: "startup-4",
  cloud_name: primaryCloud,
  cloud_description: "Europe, Ireland - Amazon Web Services: Ireland",
  create_time: "2026-02-01T09:00:00.000Z",
  update_time: "2026-03-01T10:20:00.000Z",
  group_list: ["default"],
  node_count: 1,
  node_cpu_count: 2,
  node_memory_mb: 4096,
  disk_space_mb: 81_920,
  termination_protection: false,
  project_vpc_id: null,
  tags: {},
  tech_emails: [],
  service_integrations: [],
  service_notifications: [],
  features: {},
  service_uri: null,
  service_uri_params: {},
  connection_info: {},
  components: [],
  users: [],
  databases: ["defaultdb"],
  connection_pools: [],
  node_states: [{ name: "shop-1", role: "master", state: "setting_up_vm", progress_updates: [] }],
  maintenance: { dow: "monday", time: "03:12:45", enabled: true, updates: [] },
  metadata: { pg_version: "18", max_connections: 100 },
  user_config: { pg_version: "18", additional_backup_regions: [secondaryCloud] },
  forked_from: null,
  backups: [],
};

export const undeletedExample: Static<typeof serviceAnswer> = { service: undeleted };

const findings: Static<typeof preflightAnswer>["findings"] = [
  {
    check: "max_slot_wal_keep_size",
    severity: "warning",
    message: "max_slot_wal_keep_size is -1: when btar cannot store log for long, the server's disk may fill",
    fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();",
  },
];

const uri = "postgres://btar:SECRET@db.example.com/postgres?sslmode=verify-full";

export const preflightBodyExample: Static<typeof preflightBody> = { uri };
export const preflightExample: Static<typeof preflightAnswer> = { findings };
export const attachBodyExample: Static<typeof attachServiceBody> = {
  service_name: "shop",
  cloud: primaryCloud,
  uri,
  user_config: { additional_backup_regions: [secondaryCloud] },
};
export const attachExample: Static<typeof attachAnswer> = {
  service: { ...undeleted, service_kind: "attached" },
  findings,
};
