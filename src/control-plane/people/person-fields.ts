import type { Person } from "../../catalog/people.ts";

/** Somebody who uses the API, as the API tells it. */
export function personFields({ email, real_name, state, password_hash, created_at }: Person) {
  return {
    email,
    real_name,
    state,
    has_password: password_hash !== null,
    create_time: created_at.toISOString(),
  };
}
