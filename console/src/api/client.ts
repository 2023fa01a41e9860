import type { Static } from "typebox";
import { sessionHeader } from "../../../src/contract/session-header.ts";
import type { refusal } from "../../../src/contract/refusals.ts";

/** A refusal or failure of the API, in its words. */
export class ApiError extends Error {
  /** Of HTTP; 0 when there was no answer at all. */
  readonly status: number;
  /** Stable word, such as `already_exists`. */
  readonly code: string;

  constructor(status: number, message: string, code: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export const sessionHeaders = { [sessionHeader]: "1" } as const;

type Method = "GET" | "POST" | "PUT" | "DELETE";

/**
 * Asks the API, as the session's user.
 * @param path behind `/v1`
 * @throws {ApiError}
 */
export async function ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`/v1${path}`, {
    method,
    headers: { ...sessionHeaders, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((cause: unknown) => {
    throw new ApiError(
      0,
      `btar does not answer: ${cause instanceof Error ? cause.message : String(cause)}`,
      "no_answer",
    );
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  const { message, errors } = (answer ?? {}) as Partial<Static<typeof refusal>>;
  throw new ApiError(response.status, message ?? `btar answered ${response.status}`, errors?.[0]?.error_code ?? "");
}

/** A path, with its values escaped: ``path`/project/${name}` ``. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.reduce((text, part, index) => `${text}${encodeURIComponent(values[index - 1] ?? "")}${part}`);
}
