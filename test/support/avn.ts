import assert from "node:assert/strict";
import { type Answer, type Refusal, WireClient } from "./wire-client.ts";

/** An answer's object, or a part of it. */
export type Item = Readonly<Record<string, unknown>>;

/** The client gave up: with exit code 1, and this on the terminal. */
export class AvnError extends Error {
  /** Undefined when it gave up by itself. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.name = "AvnError";
    this.status = status;
  }
}

/** Expects the client to end with exit code 1. @param status undefined: without having asked for what it would do */
export async function exits1(command: Promise<unknown>, status: number | undefined, message: RegExp): Promise<void> {
  await assert.rejects(command, (error) => {
    assert.ok(error instanceof AvnError, String(error));
    assert.equal(error.status, status, error.message);
    assert.match(error.message, message);
    return true;
  });
}

/**
 * What the client does with the columns of a table: those of the first row must be a key of one item at least, else it
 * breaks with a KeyError.
 */
export function table(items: readonly unknown[], columns: readonly string[]): readonly Item[] {
  const rows = items as readonly Item[];
  if (rows.length === 0) return rows;
  for (const column of columns) {
    assert.ok(
      rows.some((row) => Object.hasOwn(row, column)),
      `KeyError: ${column} in ${JSON.stringify(rows[0])}`,
    );
  }
  return rows;
}

/** What it reads of an answer by `result[key]`. */
export function part<T = Item>(item: unknown, key: string): T {
  assert.ok(typeof item === "object" && item !== null && Object.hasOwn(item, key), `KeyError: ${key}`);
  return (item as Readonly<Record<string, T>>)[key] as T;
}

/** The requests of `avn`, in the order and form of the real one, and what it reads of the answers. */
export class AvnRequests {
  protected readonly wire: WireClient;
  protected readonly project: string;

  constructor(wire: WireClient, project: string) {
    this.wire = wire;
    this.project = project;
  }

  /** @throws {AvnError} for a status that is not 2xx */
  protected async call(method: string, path: string, body?: unknown): Promise<Item> {
    const answer: Answer<Item & Partial<Refusal>> = await this.wire.avn(method, path, body);
    const { status, text } = answer;
    assert.notEqual(answer.headers["content-type"], "application/octet-stream");
    if (status < 200 || status > 299) {
      const { message, errors } = answer.body;
      assert.ok(typeof message === "string" && message !== "", text);
      assert.deepEqual([errors?.[0]?.message, errors?.[0]?.status], [message, status], text);
      throw new AvnError(`Error: ${message} (status ${status})`, status);
    }
    assert.ok(!Array.isArray(answer.body), text);
    assert.ok(!answer.body["error"], text);
    assert.ok(!(answer.body.errors ?? []).length, text);
    return answer.body;
  }

  /** Each part of a path is escaped whole. */
  protected path(...parts: readonly string[]): string {
    return `/${parts.map((each) => encodeURIComponent(each)).join("/")}`;
  }

  protected inProject(...parts: readonly string[]): string {
    return this.path("project", this.project, ...parts);
  }

  protected ofService(service: string, ...parts: readonly string[]): string {
    return this.inProject("service", service, ...parts);
  }
}

const tokenColumns = [
  "expiry_time",
  "token_prefix",
  "description",
  "max_age_seconds",
  "extend_when_used",
  "last_used_time",
  "last_ip",
  "last_user_agent",
];

/** Commands about oneself, projects and the catalogue. */
export class AvnAccount extends AvnRequests {
  /** `user login EMAIL` @returns the client as whoever logged in, and the default project */
  static async userLogin(url: string, email: string, password: string) {
    const nobody = new AvnAccount(new WireClient(url, ""), "");
    const token = part<string>(await nobody.call("POST", "/userauth", { email, password }), "token");
    const client = new AvnAccount(new WireClient(url, token), "");
    const projects = part<readonly Item[]>(await client.call("GET", "/project"), "projects");
    return { client, token, project: part<string>(projects[0], "project_name") };
  }

  /** `user logout` */
  async userLogout(): Promise<void> {
    await this.call("DELETE", this.path("access_token", this.wire.token));
  }

  /** `user info` */
  async userInfo(): Promise<Item> {
    const user = part(await this.call("GET", "/me"), "user");
    table([user], ["user", "real_name", "state", "token_validity_begin", "projects", "auth"]);
    return user;
  }

  /** `user access-token create --description D` */
  async accessTokenCreate(description: string): Promise<Item> {
    const body = { description, extend_when_used: false, max_age_seconds: null };
    const token = await this.call("POST", "/access_token", body);
    table([token], ["expiry_time", "description", "max_age_seconds", "extend_when_used", "full_token"]);
    return token;
  }

  /** `user access-token list` */
  async accessTokenList(): Promise<readonly Item[]> {
    return table(part<readonly Item[]>(await this.call("GET", "/access_token"), "tokens"), tokenColumns);
  }

  /** `user access-token update PREFIX --description D` */
  async accessTokenUpdate(prefix: string, description: string): Promise<Item> {
    const token = await this.call("PUT", this.path("access_token", prefix), { description });
    table([token], tokenColumns);
    return token;
  }

  /** `user access-token revoke PREFIX` */
  async accessTokenRevoke(prefix: string): Promise<void> {
    await this.call("DELETE", this.path("access_token", prefix));
  }

  /** `project create NAME --parent-id ID` */
  async projectCreate(name: string, options: { readonly parentId: string; readonly cloud?: string }): Promise<Item> {
    const { parentId, cloud = null } = options;
    const account = parentId.startsWith("org")
      ? part<string>(await this.call("GET", this.path("organization", parentId)), "account_id")
      : parentId;
    const body = { cloud, project: name, account_id: account, use_source_project_billing_group: false };
    return projectDetails(part(await this.call("POST", "/project", body), "project"));
  }

  /** `project list` */
  async projectList(): Promise<readonly Item[]> {
    return table(await this.#projects(), ["project_name", "default_cloud"]);
  }

  /** `project switch NAME` */
  async projectSwitch(name: string): Promise<void> {
    const names = (await this.#projects()).map((project) => part<string>(project, "project_name"));
    if (!names.includes(name)) throw new AvnError(`Project '${name}' does not exist, available: ${names.join(", ")}`);
  }

  /** `project details` */
  async projectDetails(): Promise<Item> {
    return projectDetails(part(await this.call("GET", this.inProject()), "project"));
  }

  /** `project delete NAME` */
  async projectDelete(name: string): Promise<void> {
    await this.call("DELETE", this.path("project", name));
  }

  /** `project ca-get` */
  async projectCaGet(): Promise<string> {
    return part<string>(await this.call("GET", this.inProject("kms", "ca")), "certificate");
  }

  /** `cloud list`: without a project, its part of the path is empty. */
  async cloudList(): Promise<readonly Item[]> {
    const clouds = part<readonly Item[]>(await this.call("GET", this.inProject("clouds")), "clouds");
    return table(clouds, Object.keys(clouds[0] ?? {}));
  }

  /** `service types` and `service plans` */
  async serviceTypes(): Promise<Readonly<Record<string, Item>>> {
    return part<Readonly<Record<string, Item>>>(
      await this.call("GET", this.inProject("service_types")),
      "service_types",
    );
  }

  /** `events -n N` */
  async events(limit: number): Promise<readonly Item[]> {
    const answer = await this.call("GET", `${this.inProject("events")}?limit=${limit}`);
    const events = part<readonly Item[]>(answer, "events");
    for (const event of events) part(event, "service_name");
    return table(events, ["time", "actor", "event_type", "service_name", "event_desc"]);
  }

  async #projects(): Promise<readonly Item[]> {
    const projects = part<readonly Item[]>(await this.call("GET", "/project"), "projects");
    for (const { card_info } of projects) if (card_info) table([card_info], ["user_email", "card_id"]);
    return projects;
  }
}

function projectDetails(project: Item): Item {
  part(project, "billing_extra_text");
  table([project], ["project_name", "default_cloud", "billing_currency", "vat_id"]);
  return project;
}
