import type { Static } from "typebox";
import { createAccessToken } from "../../catalog/access-tokens.ts";
import { findPerson } from "../../catalog/people.ts";
import type { loginBody } from "../../contract/people.ts";
import { BtarError } from "../../domain/errors.ts";
import { isPasswordOf } from "../../platform/password-hash.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { LoginLimits } from "./login-limits.ts";

/** A working day; programs get tokens of their own. */
const loginSeconds = 12 * 3600;

/**
 * Gives a token to whoever knows a password. Whether there is such a user is told neither by the answer nor by the time
 * that it takes.
 * @param request.address where it comes from
 * @throws {BtarError} AUTHENTICATION_FAILED, TOO_MANY_ATTEMPTS
 */
export async function logIn(
  context: ControlPlaneContext,
  limits: LoginLimits,
  request: { readonly body: Static<typeof loginBody>; readonly address: string },
): Promise<{ readonly token: string; readonly email: string; readonly expiresAt: Date }> {
  const { db } = context.catalog;
  const { body, address } = request;
  const succeed = limits.begin({ email: body.email, address });
  const person = await findPerson(db, body.email);
  const isRight = await isPasswordOf(person?.password_hash ?? undefined, body.password);
  if (!person || !isRight || person.state !== "active") {
    context.logger.warn({ email: body.email, address }, "a login was refused");
    throw new BtarError("AUTHENTICATION_FAILED", { message: "Authentication failed: e-mail or password is wrong" });
  }
  succeed();
  const now = context.clock.now();
  const { text } = await createAccessToken(db, {
    userEmail: person.email,
    description: "login",
    maxAgeSeconds: loginSeconds,
    extendWhenUsed: false,
    isManual: false,
    now,
  });
  return { token: text, email: person.email, expiresAt: new Date(now.getTime() + loginSeconds * 1000) };
}
