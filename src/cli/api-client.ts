import type { Static } from "typebox";
import type { refusal } from "../contract/refusals.ts";
import { BtarError, type ErrorCode, errorRules } from "../domain/errors.ts";
import { pinnedRequest } from "./pinned-request.ts";

const usualTimeoutMs = 60_000;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Where the API is, and with which right. */
export interface ApiAccess {
  /** Without a slash at its end. */
  readonly url: string;
  /** Empty for none. */
  readonly token: string;
  readonly project: string;
  /** PEM of the certificate that the API of this machine shows; undefined: it is known by its name, or has none. */
  readonly certificate?: string | undefined;
  /** How long an answer is waited for; a minute when undefined. */
  readonly timeoutMs?: number | undefined;
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

  /** Of the access. */
  get certificate(): string | undefined {
    return this.#access.certificate;
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
    const { url } = this.#access;
    let answered: { readonly status: number; readonly text: string };
    try {
      answered = await this.#send(method, `${url}/v1${path}`, body && JSON.stringify(body));
    } catch (cause) {
      throw new BtarError("SERVER_UNREACHABLE", {
        message: `btar's API at ${url} does not answer${causeText(cause)}`,
        hint: "start it with `btar up`, or set BTAR_URL to where it is",
        cause,
      });
    }
    const { status, text } = answered;
    const answer = parsed(text);
    if (status < 200 || status >= 300) throw apiError(status, answer);
    if (typeof answer === "object" && answer !== null) return answer as T;
    throw new BtarError("SERVER_PROTOCOL", {
      message: `what answers at ${url} is not btar's API`,
      hint: "check BTAR_URL",
    });
  }

  async #send(method: Method, url: string, body: string | undefined) {
    const { token, certificate, timeoutMs = usualTimeoutMs } = this.#access;
    const headers = {
      ...(token === "" ? {} : { authorization: `aivenv1 ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    if (certificate !== undefined) return await pinnedRequest(url, { method, headers, body, timeoutMs, certificate });
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body }) });
    return { status: response.status, text: await response.text() };
  }
}

/** Why a certificate is not trusted cannot be guessed from outside. */
function causeText(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (!/CERT|TLS|SSL|SELF_SIGNED|VERIFY/.test(code) || !(cause instanceof Error)) return "";
  return `: ${cause.message}; NODE_EXTRA_CA_CERTS names a file of authorities to trust`;
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
