import type { Static } from "typebox";
import type { refusal } from "../contract/refusals.ts";
import { BtarError, type ErrorCode, errorRules } from "../domain/errors.ts";

const timeoutMs = 60_000;

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Where the API is, and with which right. */
export interface ApiAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** Empty for none. */
  readonly token: string;
  readonly project: string;
}

/** Talks to btar's API. */
export class ApiClient {
  readonly #access: ApiAccess;

  constructor(access: ApiAccess) {
    this.#access = access;
  }

  /** Of the access; without a slash at its end. */
  get url(): string {
    return this.#access.url;
  }

  get project(): string {
    return this.#access.project;
  }

  /** The token that it asks with; empty for none. */
  get token(): string {
    return this.#access.token;
  }

  /**
   * @param path below the project, such as `/service`
   * @throws {BtarError} of the code that the API told; SERVER_UNREACHABLE when it does not answer
   */
  async inProject<T>(method: Method, path: string, body?: object): Promise<T> {
    return await this.request<T>(method, `/project/${encodeURIComponent(this.#access.project)}${path}`, body);
  }

  /**
   * @param path below `/v1`, such as `/me`
   * @throws {BtarError} as `inProject`
   */
  async request<T>(method: Method, path: string, body?: object): Promise<T> {
    const { url, token } = this.#access;
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}/v1${path}`, {
        method,
        headers: {
          ...(token === "" ? {} : { authorization: `aivenv1 ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (cause) {
      throw new BtarError("SERVER_UNREACHABLE", {
        message: `btar's API at ${url} does not answer`,
        hint: "start it with `btar up`, or set BTAR_URL to where it is",
        cause,
      });
    }
    const answer = parsed(text);
    if (!response.ok) throw apiError(response.status, answer);
    if (typeof answer === "object" && answer !== null) return answer as T;
    throw new BtarError("SERVER_PROTOCOL", {
      message: `what answers at ${url} is not btar's API`,
      hint: "check BTAR_URL",
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON: a proxy's page, or another program
  }
}

function apiError(status: number, answer: unknown): BtarError {
  const { message, errors } = (typeof answer === "object" && answer !== null ? answer : {}) as Partial<
    Static<typeof refusal>
  >;
  return new BtarError(errorCode(errors?.[0]?.error_code) ?? codeOfStatus(status), {
    message: message ?? `the API answered with status ${status}`,
  });
}

/** The code that the API told, in its lower case, if this btar knows it. */
export function errorCode(told: string | null | undefined): ErrorCode | undefined {
  const code = told?.toUpperCase() ?? "";
  return Object.hasOwn(errorRules, code) ? (code as ErrorCode) : undefined;
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return "TOKEN_INVALID";
  if (status === 403) return "NOT_A_PROJECT_MEMBER";
  if (status === 404) return "NOT_FOUND";
  if (status === 409) return "WRONG_STATE";
  if (status === 502 || status === 503 || status === 504) return "SERVER_UNREACHABLE";
  return status >= 500 ? "INTERNAL" : "INVALID_INPUT";
}
