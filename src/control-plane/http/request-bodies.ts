import type { FastifyInstance } from "fastify";
import { BtarError } from "../../domain/errors.ts";

/** Clients send `application/octet-stream`, and no body, wherever they have none to send. */
export function acceptRequestBodies(app: Pick<FastifyInstance, "addContentTypeParser" | "removeContentTypeParser">) {
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, parseBody(body));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser<string>("*", { parseAs: "string" }, (request, body, done) => {
    if (body === "") return done(null, undefined);
    const type = request.headers["content-type"] ?? "no type";
    return done(unsupportedType(type));
  });
}

/**
 * Reads a JSON body. Texts that the catalog cannot store are refused here, once for all routes.
 * @returns undefined for an empty one
 * @throws {BtarError} INVALID_INPUT
 */
export function parseBody(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text, checkedValue);
  } catch (cause) {
    if (cause instanceof BtarError) throw cause;
    throw new BtarError("INVALID_INPUT", { message: "Invalid input: the body is not JSON", cause });
  }
}

function checkedValue(key: string, value: unknown): unknown {
  if (key === "__proto__" || !isStorable(key) || (typeof value === "string" && !isStorable(value))) {
    throw new BtarError("INVALID_INPUT", {
      message: `Invalid input: ${JSON.stringify(key)} is, or holds, a text that cannot be stored`,
      hint: "leave out NUL characters and halves of surrogate pairs",
    });
  }
  return value;
}

/** PostgreSQL stores neither NUL nor what is not Unicode. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function unsupportedType(type: string): Error {
  return Object.assign(new Error(`Invalid input: the body is ${type}; send application/json`), { statusCode: 415 });
}
