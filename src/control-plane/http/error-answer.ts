import type { FastifyError } from "fastify";
import type { Static } from "typebox";
import { isCatalogUnreachable, isReferenceMissing } from "../../catalog/catalog.ts";
import type { refusal } from "../../contract/refusals.ts";
import { BtarError, describeError, type ErrorKind } from "../../domain/errors.ts";

/** The shape of every refusal; clients of the API print `message`. */
export type ErrorAnswer = Static<typeof refusal>;

const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  limited: 429,
  conflict: 409,
  unavailable: 503,
  damaged: 500,
  cancelled: 409,
  internal: 500,
};

/**
 * What a failure looks like outside; details of unexpected ones stay in the log.
 * @param requestId by which the log tells more
 */
export function errorAnswer(
  error: unknown,
  requestId: string,
): { readonly status: number; readonly answer: ErrorAnswer } {
  if (error instanceof BtarError) {
    return answerOf(statusOfKind[error.kind], describeError(error), error.code.toLowerCase());
  }
  if (isCatalogUnreachable(error)) {
    return answerOf(503, "The catalog database does not answer; try again later", "catalog_unreachable");
  }
  if (isReferenceMissing(error)) {
    return answerOf(409, "What the request builds on was deleted meanwhile", "wrong_state");
  }
  const fastifyError = error as Partial<FastifyError>;
  if (fastifyError.validation) return answerOf(400, `Invalid input: ${validationText(fastifyError)}`, "invalid_input");
  const status = fastifyError.statusCode;
  if (status !== undefined && status >= 400 && status < 500)
    return answerOf(status, describeError(error), "invalid_input");
  return answerOf(500, `Internal error; the server's log tells more about request ${requestId}`, "internal");
}

/** For the header `retry-after`; undefined where nobody knows. */
export function retryAfterSeconds(error: unknown): number | undefined {
  const seconds = error instanceof BtarError ? error.details["retryAfterSeconds"] : undefined;
  return typeof seconds === "number" ? seconds : undefined;
}

/** What is told of a value is told of a long one, too, but not all of it. */
const longestMessage = 2000;

/** A refusal of the API. */
export function answerOf(status: number, text: string, code: string) {
  const message = text.length > longestMessage ? `${text.slice(0, longestMessage).toWellFormed()}…` : text;
  return { status, answer: { message, errors: [{ message, status, error_code: code }] } };
}

/** What a schema found wrong, with what the compiler of schemas adds where it is told to be verbose. */
interface SchemaFault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly data?: unknown;
  readonly parentSchema?: { readonly description?: string };
}

/** One line for the first thing that is wrong: its name, the value, and what would be accepted. */
function validationText({ validation, validationContext }: Partial<FastifyError>): string {
  const first: SchemaFault | undefined = validation?.[0];
  if (!first) return "the request does not fit its schema";
  const { params } = first;
  const at = first.instancePath.slice(1).replaceAll("/", ".");
  const below = (name: unknown) => [at, String(name)].filter((part) => part !== "").join(".");
  if (first.keyword === "required") return `'${below(params["missingProperty"])}' is a required property`;
  if (first.keyword === "additionalProperties")
    return `'${below(params["additionalProperty"])}' is not a known property`;
  const allowed = Array.isArray(params["allowedValues"]) ? ` (${params["allowedValues"].join(", ")})` : "";
  return `'${at || (validationContext ?? "body")}'${valueText(at, first.data)} ${problemOf(first)}${allowed}`;
}

/** People read what a schema says of a text more easily than its pattern. */
function problemOf({ keyword, message, parentSchema }: SchemaFault): string {
  const description = parentSchema?.description;
  if (keyword === "pattern" && description !== undefined) return `does not fit: ${description}`;
  return message ?? "is not valid";
}

const mayBeSecret = /password|passphrase|secret|token|key|uri|url/i;
const longestValue = 100;

/** The value, where it is short and nothing that must not be repeated; of a whole body nobody knows. */
function valueText(at: string, value: unknown): string {
  if (!["string", "number", "boolean"].includes(typeof value) || at === "" || mayBeSecret.test(at)) return "";
  const text = String(value);
  return text.length > longestValue ? "" : ` value '${text}'`;
}
