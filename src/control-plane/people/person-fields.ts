import type { Person } from "../../catalog/people.ts";
import type { ProjectRole } from "../../domain/roles.ts";

/** Somebody who uses the API, as the API tells it. */
export function personFields(
  { email, real_name, state, is_super_admin, password_hash, created_at }: Person,
  projects: Readonly<Record<string, ProjectRole>> = {},
) {
  return {
    email,
    real_name,
    state,
    is_super_admin,
    projects: { ...projects },
    has_password: password_hash !== null,
    create_time: created_at.toISOString(),
  };
}
