/** A client of the API, as any other. */
export class ApiClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async request<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#url}/v1${path}`, {
      method,
      headers: { authorization: `aivenv1 ${this.#token}`, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = (await response.json()) as T & { readonly message?: string };
    if (!response.ok) throw new Error(`${method} ${path}: ${answer.message ?? response.status}`);
    return answer;
  }
}

export interface ServiceAnswer {
  readonly service_name: string;
  readonly state: string;
  readonly service_uri: string | null;
}

export interface BackupAnswer {
  readonly backup_name: string;
  readonly data_size: number;
  readonly stored_size: number;
  readonly locations: readonly {
    readonly cloud: string;
    readonly role: string;
    readonly state: string;
    readonly started_at: string | null;
    readonly completed_at: string | null;
    readonly done_bytes: number;
    readonly total_bytes: number;
    readonly sent_bytes: number;
    readonly trouble: string | null;
  }[];
}

/** Asks until `condition` gives an answer; the deadline is generous, the work usually takes seconds. */
export async function eventually<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
    const answer = await condition();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within 2 minutes`);
}
