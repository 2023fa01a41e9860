import assert from "node:assert/strict";
import { AvnError, AvnRequests, type Item, part, table } from "./avn.ts";
import { avnUserConfig, type ConfigSchema } from "./avn-user-config.ts";
import { until } from "./regions.ts";

const serviceColumns = ["service_name", "service_type", "state", "cloud_name", "plan", "create_time", "update_time"];
const verboseLines = ["service_uri", "disk_space_mb", "databases", "users"];
const urgentMs = 26 * 7 * 86_400_000;

interface CreateOptions {
  /** `-t` */
  readonly type: string;
  /** `-p` */
  readonly plan: string;
  readonly cloud?: string;
  /** `-c KEY=VALUE`, values as they are typed. */
  readonly config?: Readonly<Record<string, string>>;
  readonly forkFrom?: string;
  readonly recoveryTargetTime?: string;
  readonly isProtected?: boolean;
}

interface UpdateOptions {
  readonly config?: Readonly<Record<string, string>>;
  readonly removeOption?: string;
  readonly powered?: boolean;
  readonly plan?: string;
  readonly isProtected?: boolean;
  readonly maintenance?: { readonly dow: string; readonly time: string };
}

/** Commands about services. */
export class AvnServices extends AvnRequests {
  /** `service create NAME …` @returns the service as it is begun */
  async create(name: string, options: CreateOptions): Promise<Item> {
    const { type, plan, cloud } = options;
    if (cloud !== undefined) assert.deepEqual(part(await this.call("GET", this.inProject("vpcs")), "vpcs"), []);
    const config = avnUserConfig(await this.#schema(type), options.config ?? {});
    await this.#checkEndOfLife(type, config);
    const body = {
      cloud: cloud ?? null,
      plan,
      service_integrations: [],
      service_name: name,
      service_type: type,
      user_config: {
        ...config,
        ...(options.forkFrom === undefined ? {} : { service_to_fork_from: options.forkFrom }),
        ...(options.recoveryTargetTime === undefined ? {} : { recovery_target_time: options.recoveryTargetTime }),
      },
      termination_protection: options.isProtected ?? false,
      static_ips: [],
    };
    return part(await this.call("POST", this.inProject("service"), body), "service");
  }

  /** `service get NAME`, and `-v` */
  async get(name: string): Promise<Item> {
    const service = part(await this.call("GET", this.ofService(name)), "service");
    table([service], serviceColumns);
    for (const line of verboseLines) part(service, line);
    for (const node of part<readonly Item[]>(service, "node_states")) checkNodeState(node);
    return service;
  }

  /** `service list` */
  async list(): Promise<readonly Item[]> {
    const services = part<readonly Item[]>(await this.call("GET", this.inProject("service")), "services");
    return table(services, serviceColumns);
  }

  /** `service wait NAME` @returns the states that it was seen in */
  async wait(name: string, seconds = 180): Promise<readonly string[]> {
    const states: string[] = [];
    await until(
      `${name} is RUNNING`,
      async () => {
        const state = part<string>(await this.get(name), "state");
        if (states.at(-1) !== state) states.push(state);
        return state === "RUNNING";
      },
      seconds,
    );
    return states;
  }

  /** `service update NAME …` */
  async update(name: string, options: UpdateOptions): Promise<Item> {
    const before = await this.get(name);
    const schema = await this.#schema(part<string>(before, "service_type"));
    const config = {
      ...avnUserConfig(schema, options.config ?? {}),
      ...(options.removeOption === undefined ? {} : { [removable(schema, options.removeOption)]: null }),
    };
    await this.#checkEndOfLife(part<string>(before, "service_type"), config);
    const { powered, isProtected, maintenance } = options;
    const body = {
      ...(maintenance && { maintenance }),
      plan: options.plan ?? part<string>(before, "plan"),
      ...(powered !== undefined && { powered }),
      ...(isProtected !== undefined && { termination_protection: isProtected }),
      user_config: config,
    };
    return part(await this.call("PUT", this.ofService(name), body), "service");
  }

  /** `service terminate NAME --force` */
  async terminate(name: string): Promise<void> {
    await this.call("DELETE", this.ofService(name));
  }

  /** `service connection-info pg uri NAME` */
  async pgUri(name: string): Promise<string> {
    const service = await this.get(name);
    assert.equal(part(service, "service_type"), "pg");
    const component = part<readonly Item[]>(service, "components").find(
      ({ route, usage }) => route === "dynamic" && usage === "primary",
    );
    const user = part<readonly Item[]>(service, "users").find(({ username }) => username === "avnadmin");
    assert.ok(user?.["password"]);
    const { host, port } = component ?? {};
    return `postgres://avnadmin:${String(user["password"])}@${String(host)}:${String(port)}/defaultdb?sslmode=require`;
  }

  /** `service backup-list NAME` */
  async backupList(name: string): Promise<readonly Item[]> {
    const backups = part<readonly Item[]>(await this.call("GET", this.ofService(name, "backups")), "backups");
    return table(backups, ["backup_name", "backup_time", "data_size", "storage_location"]);
  }

  /** `service user-list NAME` */
  async userList(name: string): Promise<readonly Item[]> {
    const { users } = await this.get(name);
    return table(users as readonly Item[], ["username", "type"]);
  }

  /** `service user-get NAME --username U` */
  async userGet(name: string, user: string): Promise<Item> {
    const [found = {}] = table(
      [part(await this.call("GET", this.ofService(name, "user", user)), "user")],
      ["username", "type"],
    );
    return found;
  }

  /** `service user-create NAME --username U` */
  async userCreate(name: string, username: string): Promise<Item> {
    return part(await this.call("POST", this.ofService(name, "user"), { username }), "user");
  }

  /** `service user-delete NAME --username U` */
  async userDelete(name: string, user: string): Promise<void> {
    await this.call("DELETE", this.ofService(name, "user", user));
  }

  /** `service user-password-reset NAME --username U [--new-password P]` */
  async userPasswordReset(name: string, user: string, password?: string): Promise<void> {
    const body = { operation: "reset-credentials", ...(password === undefined ? {} : { new_password: password }) };
    await this.call("PUT", this.ofService(name, "user", user), body);
  }

  /** `service credentials-reset NAME` */
  async credentialsReset(name: string): Promise<void> {
    const service = part(await this.call("PUT", this.ofService(name, "credentials", "reset")), "service");
    table([service], serviceColumns);
  }

  /** `service database-list NAME` */
  async databaseList(name: string): Promise<readonly string[]> {
    const databases = part<readonly Item[]>(await this.call("GET", this.ofService(name, "db")), "databases");
    return databases.map((database) => part<string>(database, "database_name"));
  }

  /** `service database-create NAME --dbname D` */
  async databaseCreate(name: string, database: string): Promise<void> {
    await this.call("POST", this.ofService(name, "db"), { database });
  }

  /** `service database-delete NAME --dbname D` */
  async databaseDelete(name: string, database: string): Promise<void> {
    await this.call("DELETE", this.ofService(name, "db", database));
  }

  /** `service logs NAME -n N`, with the offset of the answer before when it follows. */
  async logs(name: string, limit: number, offset?: string) {
    const body = { limit, ...(offset === undefined ? {} : { offset }), sort_order: "asc" };
    const answer = await this.call("POST", this.ofService(name, "logs"), body);
    const lines = part<readonly Item[]>(answer, "logs");
    for (const line of lines) {
      for (const field of ["time", "hostname", "unit", "msg"]) assert.equal(typeof part(line, field), "string", field);
    }
    part(answer, "first_log_offset");
    return { lines, offset: part<string | null>(answer, "offset") };
  }

  /** `service metrics NAME --period P` */
  async metrics(name: string, period: string): Promise<Item> {
    return part(await this.call("POST", this.ofService(name, "metrics"), { period }), "metrics");
  }

  /** `service task-create NAME …`, then `service task-get` */
  async task(name: string, body: Item): Promise<Item> {
    const made = part(await this.call("POST", this.ofService(name, "task"), body), "task");
    table([made], ["task_type", "success", "task_id"]);
    part(made, "result");
    const task = part(await this.call("GET", this.ofService(name, "task", part<string>(made, "task_id"))), "task");
    table([task], ["task_type", "success", "task_id", "result"]);
    return task;
  }

  /** `service maintenance-start NAME` */
  async maintenanceStart(name: string): Promise<string> {
    return part<string>(await this.call("PUT", this.ofService(name, "maintenance", "start")), "message");
  }

  /** `service tags update NAME --add-tag K=V --remove-tag K`, then `service tags list NAME` */
  async tags(name: string, changes: Readonly<Record<string, string | null>>): Promise<Item> {
    part(await this.call("PATCH", this.ofService(name, "tags"), { tags: changes }), "message");
    return part(await this.call("GET", this.ofService(name, "tags")), "tags");
  }

  async #schema(type: string): Promise<ConfigSchema> {
    try {
      const answer = await this.call("GET", this.inProject("service-types", type));
      return part<ConfigSchema>(answer, "user_config_schema");
    } catch (error) {
      if (!(error instanceof AvnError) || (error.status !== 400 && error.status !== 404)) throw error;
      const types = part(await this.call("GET", this.inProject("service_types")), "service_types");
      throw new AvnError(`Unknown service type '${type}' (available options: ${Object.keys(types).join(", ")})`);
    }
  }

  /** Only when a version is named: texts are compared, and the time must have no fraction. */
  async #checkEndOfLife(type: string, config: Item): Promise<void> {
    const version = config[`${type}_version`];
    if (version === undefined) return;
    const account = part<string | null>(part(await this.call("GET", this.inProject()), "project"), "account_id");
    const path = account ? this.path("account", account, "service_versions") : "/service_versions";
    const versions = part<readonly Item[]>(await this.call("GET", path), "service_versions");
    const known = versions.find((each) => each["service_type"] === type && each["major_version"] === version);
    if (!known) throw new AvnError(`${type} v${String(version)} is not available`);
    const end = part<string>(known, "aiven_end_of_life_time");
    assert.match(end, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    if (Date.parse(end) - Date.now() < urgentMs) throw new AvnError(`${type} v${String(version)} ends soon: sure?`);
  }
}

function removable(schema: ConfigSchema, key: string): string {
  const type = schema.properties?.[key]?.type ?? [];
  if (!type.includes("null")) throw new AvnError(`Removing option '${key}' is not supported`);
  return key;
}

/** It prints each update, and divides by `max - min`. */
function checkNodeState(node: Item): void {
  for (const key of ["name", "state"]) part(node, key);
  for (const update of part<readonly Item[]>(node, "progress_updates")) {
    for (const key of ["phase", "min", "max", "current"]) part(update, key);
    const { min, max, current } = update;
    const areNumbers = [min, max, current].every((value) => typeof value === "number");
    assert.ok(!areNumbers || min !== max, "ZeroDivisionError");
  }
}
