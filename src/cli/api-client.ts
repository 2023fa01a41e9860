import { BtarError, type ErrorCode, errorRules } from "../domain/errors.ts";

const timeoutMs = 60_000;

/** Where the API is, and with which right. */
export interface ApiAccess {
  readonly url: string;
  readonly token: string;
  readonly project: string;
}

/** Talks to btar's API. */
export class ApiClient {
  readonly #access: ApiAccess;

  constructor(access: ApiAccess) {
    this.#access = access;
  }

  get project(): string {
    return this.#access.project;
  }

  /** @param path below the project, such as `/service` */
  async inProject<T>(method: string, path: string, body?: object): Promise<T> {
    return await this.request<T>(method, `/v1/project/${encodeURIComponent(this.#access.project)}${path}`, body);
  }

  /** @throws {BtarError} of the code that the API told; SERVER_UNREACHABLE when it does not answer */
  async request<T>(method: string, path: string, body?: object): Promise<T> {
    const { url, token } = this.#access;
    let response: Response;
    try {
      response = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization: `aivenv1 ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new BtarError("SERVER_UNREACHABLE", {
        message: `btar's API at ${url} does not answer`,
        hint: "start it with `btar up`, or set BTAR_URL to where it is",
        cause,
      });
    }
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok) return answer as T;
    throw apiError(response.status, answer);
  }
}

interface ErrorAnswer {
  readonly message?: unknown;
  readonly errors?: readonly { readonly error_code?: unknown }[];
}

function apiError(status: number, answer: unknown): BtarError {
  const { message, errors } = (typeof answer === "object" && answer !== null ? answer : {}) as ErrorAnswer;
  const text = typeof message === "string" ? message : `the API answered with status ${status}`;
  const told = errors?.[0]?.error_code;
  const code = typeof told === "string" ? told.toUpperCase() : "";
  return new BtarError(code in errorRules ? (code as ErrorCode) : codeOfStatus(status), { message: text });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return "TOKEN_INVALID";
  if (status === 404) return "NOT_FOUND";
  if (status === 409) return "WRONG_STATE";
  if (status === 503) return "SERVER_UNREACHABLE";
  return status >= 500 ? "INTERNAL" : "INVALID_INPUT";
}
