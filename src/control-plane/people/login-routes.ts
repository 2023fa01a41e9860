import type { FastifyRequest } from "fastify";
import { changePerson, findPerson, type Person } from "../../catalog/people.ts";
import { changeMyPasswordBody, loginAnswer, loginBody, meAnswer } from "../../contract/people.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { BtarError } from "../../domain/errors.ts";
import { hashPassword, isPasswordOf } from "../../platform/password-hash.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { membershipsOf } from "../projects/memberships.ts";
import { logIn } from "./log-in.ts";
import { LoginLimits } from "./login-limits.ts";
import { sessionRoutes } from "./session-routes.ts";

/** Logging in, and what one is then. */
export function loginRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;
  const limits = new LoginLimits(context.clock);
  sessionRoutes(app, context, limits);

  app.post(
    "/v1/userauth",
    {
      schema: {
        summary: "Log in with a password: a token for 12 hours",
        body: loginBody,
        response: answers(loginAnswer),
      },
    },
    async (request) => {
      const { token, email, expiresAt } = await logIn(context, limits, { body: request.body, address: request.ip });
      request.loggedIn = { email };
      return { token, state: "active" as const, user_email: email, expiry_time: expiresAt.toISOString() };
    },
  );

  app.get("/v1/me", { schema: { summary: "Who asks", response: answers(meAnswer) } }, async (request) => {
    const person = await whoAsks(context, request);
    const memberships = await membershipsOf(context, request);
    return {
      user: {
        user: person.email,
        user_id: person.id,
        real_name: person.real_name,
        state: person.state,
        auth: person.password_hash === null ? [] : ["password"],
        create_time: person.created_at.toISOString(),
        is_super_admin: person.is_super_admin,
        projects: Object.keys(memberships.project_membership),
        ...memberships,
        token_validity_begin: null,
      },
    };
  });

  app.put(
    "/v1/me/password",
    {
      schema: {
        summary: "Change the password of whoever asks; tokens of other logins end",
        body: changeMyPasswordBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const person = await whoAsks(context, request);
      const succeed = limits.begin({ email: person.email, address: request.ip });
      if (!(await isPasswordOf(person.password_hash ?? undefined, request.body.password))) {
        throw new BtarError("AUTHENTICATION_FAILED", {
          message: "Authentication failed: the password until now is wrong",
        });
      }
      succeed();
      const passwordHash = await hashPassword(request.body.new_password);
      await changePerson(db, person, { passwordHash }, request.token?.prefix);
      return { message: "the password was changed" };
    },
  );
}

async function whoAsks(context: ControlPlaneContext, request: FastifyRequest): Promise<Person> {
  const person = await findPerson(context.catalog.db, actorOf(request));
  if (person) return person;
  throw new BtarError("TOKEN_INVALID", { message: "Invalid token" }); // deleted since the token was looked at
}
