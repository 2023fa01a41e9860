import assert from "node:assert/strict";
import type { Static } from "typebox";
import type { planAnswer } from "../../src/contract/service-types.ts";
import type { serviceAnswer } from "../../src/contract/services.ts";
import { until } from "./regions.ts";
import type { Answer, Refusal, WireClient } from "./wire-client.ts";

type Service = Static<typeof serviceAnswer>["service"];
type Body = Readonly<Record<string, unknown>>;

/** What a configuration says of an `aiven_pg` or `aiven_mysql`. */
export interface TerraformService {
  readonly type: "pg" | "mysql";
  readonly name: string;
  readonly plan: string;
  readonly cloud: string;
  readonly userConfig: Body;
  readonly terminationProtection?: boolean;
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** The requests of Terraform's provider, in its order, and what its Go client can decode of the answers. */
export class Terraform {
  readonly #wire: WireClient;

  constructor(wire: WireClient) {
    this.#wire = wire;
  }

  /** Status and body; most callers want 200 and say so by `call`. */
  async ask<T = Refusal>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    return await this.#wire.terraform<T>(method, `/project/demo${path}`, body);
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.ask<T>(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`);
    return answer.body;
  }

  /** Creates, and waits: RUNNING five times in a row, and for pg until there is a backup. */
  async create(wanted: TerraformService): Promise<Service> {
    const { type, name, plan, cloud } = wanted;
    const { disk_space_mb } = await this.#plan(wanted);
    await this.call("POST", "/service", {
      cloud,
      plan,
      service_name: name,
      service_type: type,
      ...{ disk_space_mb, maintenance: { dow: "monday", time: "03:00:00" }, tech_emails: [], project_vpc_id: null },
      termination_protection: wanted.terminationProtection ?? false,
      user_config: wanted.userConfig,
    });
    let runningInARow = 0;
    await until(
      `${name} is RUNNING five times in a row`,
      async () => {
        const { state, backups } = await this.#service(name);
        assert.match(state, /^(REBUILDING|REBALANCING|RUNNING)$/);
        runningInARow = state === "RUNNING" ? runningInARow + 1 : 0;
        return runningInARow >= 5 && (type === "mysql" || backups.length > 0);
      },
      180,
    );
    await this.call("PUT", `/service/${name}/tags`, { tags: {} });
    return await this.read(wanted);
  }

  /** Reads all that its state holds; what was set comes back as it was, else every plan would show a difference. */
  async read(wanted: TerraformService): Promise<Service> {
    const service = await this.#service(wanted.name, "?include_secrets=true");
    await this.#plan(wanted);
    assert.deepEqual((await this.call<Body>("GET", "/static-ips"))["static_ips"], []);
    await this.call("GET", `/service/${wanted.name}/tags`);
    const { user_config: config } = service;
    for (const [key, value] of Object.entries(wanted.userConfig)) assert.deepEqual(config[key], value, key);
    assert.ok(!JSON.stringify(config).includes("<redacted>"));
    assert.equal(typeof config[`${wanted.type}_version`], "string");
    return service;
  }

  async update(wanted: TerraformService): Promise<Service> {
    const { name, plan, cloud, type, userConfig } = wanted;
    await this.call("GET", "/static-ips");
    const before = await this.#service(name);
    await this.call("PUT", `/service/${name}`, {
      ...{ cloud, plan, powered: true, termination_protection: wanted.terminationProtection ?? false },
      ...{ maintenance: { dow: "monday", time: "03:00:00" }, disk_space_mb: before.disk_space_mb, tech_emails: [] },
      project_vpc_id: null,
      user_config: userConfig,
    });
    await until(`${name} has backups`, async () => type === "mysql" || (await this.#service(name)).backups.length > 0);
    await this.call("PUT", `/service/${name}/tags`, { tags: {} });
    return await this.read(wanted);
  }

  async destroy(name: string): Promise<void> {
    await this.call("DELETE", `/service/${name}`);
    const after = await this.ask("GET", `/service/${name}`);
    assert.ok(after.status === 404 || after.status === 200, after.text);
    assert.equal((await this.ask("DELETE", `/service/${name}`)).status, 404);
  }

  /** Names of all databases, page by page. @param pageSize 250 for the real one */
  async databases(service: string, pageSize = 250): Promise<readonly string[]> {
    const names: string[] = [];
    for (let cursor = ""; ; ) {
      const after = cursor === "" ? "" : `&after=${encodeURIComponent(cursor)}`;
      const path = `/service/${service}/db?maxItems=${pageSize}${after}`;
      const page = await this.call<{ databases: { database_name: string }[]; next?: string | null }>("GET", path);
      names.push(...page.databases.map(({ database_name }) => database_name));
      if (page.next == null) return names;
      cursor = page.next;
    }
  }

  async #plan({ type, plan }: TerraformService): Promise<Static<typeof planAnswer>> {
    return await this.call("GET", `/service-types/${type}/plans/${plan}`);
  }

  async #service(name: string, query = ""): Promise<Service> {
    const { service } = await this.call<Static<typeof serviceAnswer>>("GET", `/service/${name}${query}`);
    decodes(service);
    return service;
  }
}

/** What Go's types ask for: whole numbers, texts in maps, strict times, objects instead of null. */
function decodes(service: Service): void {
  for (const count of [
    service.disk_space_mb,
    service.node_count,
    service.node_memory_mb,
    service.metadata.max_connections,
  ]) {
    assert.ok(Number.isInteger(count));
  }
  for (const value of Object.values(service.service_uri_params)) assert.equal(typeof value, "string");
  for (const { port } of service.components) assert.ok(Number.isInteger(port));
  for (const { data_size, backup_time } of service.backups) {
    assert.ok(Number.isInteger(data_size));
    assert.match(backup_time, rfc3339);
  }
  for (const time of [service.create_time, service.update_time]) assert.match(time, rfc3339);
  for (const part of [service.connection_info, service.maintenance, service.user_config, service.metadata]) {
    assert.ok(typeof part === "object" && part !== null);
  }
  for (const list of [service.users, service.components, service.service_integrations, service.tech_emails]) {
    assert.ok(Array.isArray(list));
  }
}
