import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { type KnownService, KnownServices } from "../../src/catalog/known-services.ts";
import { createService } from "../../src/control-plane/services/create-service.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openTestCatalog, type TestCatalog } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

let opened: TestCatalog;
let agent: SimulatedAgent;
before(async () => {
  opened = await openTestCatalog();
  agent = new SimulatedAgent(opened.context);
  for (const { name } of opened.context.configuration.clouds) await agent.register(name);
  for (const name of ["one", "two"]) await create(name);
});
after(async () => {
  await opened.close();
});

async function create(name: string): Promise<void> {
  await createService(
    { ...opened.context, clock: systemClock },
    {
      ...{ project: "demo", actor: "test", roleIn: () => "admin" },
      body: {
        ...{ service_name: name, service_type: "pg", plan: "startup-4", cloud: "local-north" },
        user_config: { additional_backup_regions: ["local-south"] },
      },
    },
  );
  const now = new Date();
  await agent.backup(name, {
    id: `${name}-${randomUUID()}`,
    from: now,
    until: now,
    clouds: ["local-north", "local-south"],
  });
}

const named = (...names: readonly string[]) => names.map((service) => ({ project: "demo", service }));

async function living(services: KnownServices, name: string): Promise<KnownService> {
  const [known] = await services.living(named(name));
  assert.ok(known);
  return known;
}

test("a service is told as it is now, whatever of it has changed, and by whom", async () => {
  const { catalog } = opened.context;
  const { db } = catalog;
  const id = await agent.serviceId("one");
  const services = new KnownServices(catalog);
  const changes: Readonly<Record<string, () => Promise<unknown>>> = {
    service: () => db.updateTable("service").set({ trouble: "x" }).where("id", "=", id).execute(),
    users: () =>
      db
        .insertInto("service_user")
        .values({ service_id: id, name: "reader", sealed_password: "", created_at: new Date() })
        .execute(),
    databases: () => db.deleteFrom("service_database").where("service_id", "=", id).execute(),
    locations: () => db.updateTable("location").set({ is_paused: true }).where("service_id", "=", id).execute(),
    backups: () => db.updateTable("base_backup").set({ is_kept: true }).where("service_id", "=", id).execute(),
    copies: () =>
      db
        .updateTable("backup_location")
        .set({ state: "deleting" })
        .where("service_id", "=", id)
        .where("cloud", "=", "local-south")
        .execute(),
    logRanges: () => db.updateTable("log_range").set({ piece_count: 7 }).where("service_id", "=", id).execute(),
    damaged: () =>
      db
        .insertInto("damaged_object")
        .values({
          ...{ service_id: id, cloud: "local-south", key: "x", kind: "missing", what: "x", backups: "[]" },
          found_at: new Date(),
        })
        .execute(),
    verified: () =>
      db
        .insertInto("verification")
        .values({ service_id: id, cloud: "local-south", structure_at: new Date() })
        .execute(),
    openJobs: () =>
      db
        .updateTable("job")
        .set({ progress: JSON.stringify({ phase: "x" }) })
        .where("service_id", "=", id)
        .execute(),
  };
  for (const [part, change] of Object.entries(changes)) {
    const previous = await living(services, "one");
    assert.equal(await living(services, "one"), previous, "what has not changed is not read again");
    await change();
    const known = await living(services, "one");
    assert.deepEqual(known, await living(new KnownServices(catalog), "one"));
    const changed = Object.keys(known).filter((key) => !Object.is(Reflect.get(known, key), Reflect.get(previous, key)));
    assert.deepEqual(changed, [part]);
  }
});

test("what a transaction has changed is told when it is committed, and not when it is rolled back", async () => {
  const { catalog } = opened.context;
  const services = new KnownServices(catalog);
  const before = await living(services, "two");
  const change = async (end: () => void) =>
    await catalog.db.transaction().execute(async (trx) => {
      await trx.updateTable("service").set({ trouble: "told" }).where("name", "=", "two").execute();
      assert.equal(await living(services, "two"), before);
      end();
    });
  const back = new Error("back");
  await assert.rejects(
    () =>
      change(() => {
        throw back;
      }),
    back,
  );
  assert.equal(await living(services, "two"), before);
  await change(() => undefined);
  assert.equal((await living(services, "two")).service.trouble, "told");
});

test("a name stands for the service that has it now", async () => {
  const { catalog } = opened.context;
  const services = new KnownServices(catalog);
  await create("three");
  const first = await living(services, "three");
  await catalog.db.updateTable("service").set({ deleted_at: new Date() }).where("id", "=", first.service.id).execute();
  assert.deepEqual(await services.living(named("three")), [undefined]);
  assert.equal((await services.of([first.service.id])).get(first.service.id)?.service.name, "three");
  await create("three");
  const [one, none, second] = await services.living(named("one", "nobody", "three"));
  assert.deepEqual([one?.service.name, none, second?.service.name], ["one", undefined, "three"]);
  assert.notEqual(second?.service.id, first.service.id);
  await catalog.db.deleteFrom("service").where("id", "=", first.service.id).execute();
  assert.equal((await services.of([first.service.id])).size, 0);
  assert.deepEqual(
    (await services.ofProject("demo")).map(({ service }) => service.name),
    ["one", "three", "two"],
  );
});
