import { type IncomingHttpHeaders, request as httpRequest } from "node:http";
import type { Static } from "typebox";
import type { refusal } from "../../src/contract/refusals.ts";

export type Refusal = Static<typeof refusal>;

/** What a client was answered. */
export interface Answer<T> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Read as JSON; of the type that the test expects. */
  readonly body: T;
  readonly text: string;
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends requests as clients do, to the byte where it matters. */
export class WireClient {
  readonly url: string;
  /** Empty for none. */
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  /** Sends a request exactly so. */
  async send<T = Refusal>(method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Answer<T>> {
    const target = new URL(this.url);
    return await new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        { host: target.hostname, port: target.port, method, path, headers, agent: false },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const text = Buffer.concat(parts).toString("utf8");
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: JSON.parse(text) as T,
              text,
            });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  /**
   * As `avn` asks: without a body it still names a type; with one it is JSON.
   * @see the client's `aiven/client/client.py`
   */
  async avn<T = Refusal>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const common = { ...this.#authorization(), "user-agent": "aiven-client/4.16.0", accept: "*/*" };
    if (body === undefined) {
      const empty: Record<string, string> = method === "GET" ? {} : { "content-length": "0" };
      const headers = { ...common, "content-type": "application/octet-stream", ...empty };
      return await this.send<T>(method, `/v1${path}`, { headers });
    }
    return await this.send<T>(method, `/v1${path}`, withJson(common, body));
  }

  /** As the Go clients of Terraform and Kubernetes ask: with `limit=999` whatever the request. */
  async terraform<T = Refusal>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const separator = path.includes("?") ? "&" : "?";
    const common = { ...this.#authorization(), "user-agent": "terraform-provider-aiven/4.40.0" };
    const asked =
      body === undefined ? { headers: { ...common, "content-type": "application/json" } } : withJson(common, body);
    return await this.send<T>(method, `/v1${path}${separator}limit=999`, asked);
  }

  #authorization(): Record<string, string> {
    return this.token === "" ? {} : { authorization: `aivenv1 ${this.token}` };
  }
}

function withJson(headers: Readonly<Record<string, string>>, body: unknown): Asked {
  const text = JSON.stringify(body);
  const length = String(Buffer.byteLength(text));
  return { headers: { ...headers, "content-type": "application/json", "content-length": length }, body: text };
}
