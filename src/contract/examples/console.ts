/** Of what the console asks for; other clients may as well. */
import type { Static } from "typebox";
import type { messageAnswer } from "../schema-parts.ts";
import type { forkPlanAnswer, forkPlanBody, reachAnswer } from "../recovery.ts";
import type { newSessionBody, sessionAnswer } from "../sessions.ts";
import type { lagAnswer } from "../status.ts";
import { primaryCloud, secondaryCloud } from "./clouds.ts";

export const newSessionBodyExample: Static<typeof newSessionBody> = {
  email: "ann@example.test",
  password: "correct horse battery",
};
export const sessionExample: Static<typeof sessionAnswer> = {
  user_email: "ann@example.test",
  expiry_time: "2026-03-01T22:00:00.000Z",
};
export const endedSessionExample: Static<typeof messageAnswer> = { message: "logged out" };

export const lagExample: Static<typeof lagAnswer> = {
  step_seconds: 120,
  services: [{ service_name: "shop", lag_seconds: [null, 0.4, 1.2], rpo_seconds: [null, 1, 1.8] }],
};

const window = { earliest_at: "2026-02-27T03:30:08.900Z", latest_at: "2026-03-01T10:12:28.600Z" };
const backupName = "2026-02-27T03-30-04Z-1f3a";

export const reachExample: Static<typeof reachAnswer> = {
  locations: [
    {
      cloud: primaryCloud,
      role: "primary",
      windows: [window],
      backups: [{ backup_name: backupName, ...window }],
    },
    {
      cloud: secondaryCloud,
      role: "secondary",
      windows: [window],
      backups: [{ backup_name: backupName, ...window }],
    },
  ],
};

export const forkPlanBodyExample: Static<typeof forkPlanBody> = {
  location: secondaryCloud,
  target_time: "2026-03-01T10:00:00Z",
};
export const forkPlanExample: Static<typeof forkPlanAnswer> = {
  location: secondaryCloud,
  is_up: true,
  backup_name: backupName,
  target: "time",
  target_at: "2026-03-01T10:00:00.000Z",
  data_bytes: 48_300_000_000,
  log_seconds: 196_191.1,
  estimated_seconds: 540,
};
