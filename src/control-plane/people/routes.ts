import { randomBytes } from "node:crypto";
import { changePerson, insertPerson, type Person, requirePerson } from "../../catalog/people.ts";
import { rolesOf } from "../../catalog/project-members.ts";
import {
  changePersonBody,
  createPersonBody,
  newPersonAnswer,
  peopleAnswer,
  personAnswer,
  personPath,
} from "../../contract/people.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { BtarError } from "../../domain/errors.ts";
import { hashPassword } from "../../platform/password-hash.ts";
import { adminEmail } from "../bootstrap.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { personFields } from "./person-fields.ts";

/** Who may use the API. */
export function peopleRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;

  app.get("/v1/btar/user", { schema: { summary: "Users of the API", response: answers(peopleAnswer) } }, async () => {
    const people = await db.selectFrom("person").selectAll().orderBy("email").execute();
    const roles = await rolesOf(
      db,
      people.map(({ id }) => id),
    );
    return { users: people.map((person) => personFields(person, roles.get(person.id))) };
  });

  app.post(
    "/v1/btar/user",
    {
      schema: {
        summary: "Create a user of the API; a random password is shown once",
        body: createPersonBody,
        response: answers(newPersonAnswer),
      },
    },
    async (request) => {
      const { email, real_name, password, is_super_admin } = request.body;
      const random = password == null ? randomBytes(18).toString("base64url") : undefined;
      const person = await insertPerson(db, {
        email,
        realName: real_name ?? email,
        passwordHash: await hashPassword(password ?? random ?? ""),
        isSuperAdmin: is_super_admin,
      });
      return { user: personFields(person), ...(random === undefined ? {} : { password: random }) };
    },
  );

  app.put(
    "/v1/btar/user/:email",
    {
      schema: {
        summary: "Change a user of the API; what is absent stays",
        params: personPath,
        body: changePersonBody,
        response: answers(personAnswer),
      },
    },
    async (request) => {
      const person = await requirePerson(db, request.params.email);
      const { real_name: realName, password, state, is_super_admin: isSuperAdmin } = request.body;
      if (state === "disabled") refuseOneself(person.email, actorOf(request), "disabled");
      if (isSuperAdmin === false) refuseDemotion(person, actorOf(request));
      const passwordHash = password === undefined ? undefined : await hashPassword(password);
      await changePerson(db, person, { realName, passwordHash, state, isSuperAdmin }, request.token?.prefix);
      const roles = await rolesOf(db, [person.id]);
      return { user: personFields(await requirePerson(db, person.email), roles.get(person.id)) };
    },
  );

  app.delete(
    "/v1/btar/user/:email",
    {
      schema: {
        summary: "Delete a user of the API with all tokens",
        params: personPath,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { id, email } = await requirePerson(db, request.params.email);
      refuseOneself(email, actorOf(request), "deleted");
      if (email === adminEmail) {
        throw new BtarError("WRONG_STATE", {
          message: `User ${email} cannot be deleted: btar makes the first administrator again at each start`,
          hint: "disable it instead",
        });
      }
      await db.deleteFrom("person").where("id", "=", id).execute();
      return { message: `user ${email} was deleted` };
    },
  );
}

function refuseDemotion({ email, is_super_admin }: Person, actor: string): void {
  if (!is_super_admin) return;
  refuseOneself(email, actor, "made less than super admin");
  if (email !== adminEmail) return;
  throw new BtarError("WRONG_STATE", {
    message: `User ${email} stays super admin: it is the first administrator`,
    hint: "disable it instead",
  });
}

/** So that somebody is always left who may do it. */
function refuseOneself(email: string, actor: string, what: string): void {
  if (email !== actor) return;
  throw new BtarError("WRONG_STATE", {
    message: `User ${email} cannot be ${what} by itself`,
    hint: "let another user do it",
  });
}
