import type { Static } from "typebox";
import type { auditAnswer } from "../audit.ts";
import type {
  changeMyPasswordBody,
  changePersonBody,
  createPersonBody,
  newPersonAnswer,
  peopleAnswer,
  personAnswer,
} from "../people.ts";
import type { messageAnswer } from "../schema-parts.ts";

const ann: Static<typeof personAnswer>["user"] = {
  email: "ann@example.test",
  real_name: "Ann",
  state: "active",
  is_super_admin: false,
  projects: { demo: "operator" },
  has_password: true,
  create_time: "2026-03-01T10:00:00.000Z",
};

export const peopleExample: Static<typeof peopleAnswer> = { users: [ann] };
export const createPersonBodyExample: Static<typeof createPersonBody> = { email: ann.email, real_name: "Ann" };
export const newPersonExample: Static<typeof newPersonAnswer> = {
  user: { ...ann, projects: {} },
  password: "cKq7WvJ0yZr3Hn5B",
};
export const changePersonBodyExample: Static<typeof changePersonBody> = { state: "disabled" };
export const changedPersonExample: Static<typeof personAnswer> = { user: { ...ann, state: "disabled" } };
export const deletedPersonExample: Static<typeof messageAnswer> = { message: "user ann@example.test was deleted" };

export const changeMyPasswordBodyExample: Static<typeof changeMyPasswordBody> = {
  password: "cKq7WvJ0yZr3Hn5B",
  new_password: "correct horse battery",
};

export const auditExample: Static<typeof auditAnswer> = {
  entries: [
    {
      id: 42,
      time: "2026-03-01T10:15:00.000Z",
      actor: "ann@example.test",
      token_prefix: "dGhpcyBp",
      address: "192.0.2.7",
      method: "DELETE",
      route: "/v1/project/:project/service/:service",
      project: "demo",
      service: "shop",
      summary: "",
      outcome: "done",
      status: 200,
      error_code: null,
      request_id: "0b7c1f66-5a4e-4f0a-8a53-5d5f0e6f9d2b",
    },
  ],
  next: null,
};
