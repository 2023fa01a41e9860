import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, before, test, type TestContext } from "node:test";
import { sql } from "kysely";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.ts";
import { recordRebuilt } from "../../src/catalog/rebuild.ts";
import { sealedColumns } from "../../src/catalog/reseal.ts";
import { appendServerLog, readServerLog } from "../../src/catalog/server-log.ts";
import { openUserPassword } from "../../src/catalog/service-secrets.ts";
import { bootstrap } from "../../src/control-plane/bootstrap.ts";
import { examineKey } from "../../src/main/key/examine-key.ts";
import { checkMasterKey, type MasterKey, readMasterKey, writeKeyFile } from "../../src/main/key/master-key.ts";
import { type RotationResult, rotateKey, unfinishedRotation } from "../../src/main/key/rotate-key.ts";
import { dataFiles } from "../../src/main/data-directory.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { keyIdOf } from "../../src/platform/secret-box.ts";
import { Repository } from "../../src/repository/repository.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { testConfiguration } from "../support/running-api.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const [north, south] = ["local-north", "local-south"] as const;
const serviceIds = [randomUUID(), randomUUID(), randomUUID()];
const password = "secret-of-a-user";

let postgres: TestPostgres;
let catalog: Catalog;
/** The catalog's, which tests change. */
let presentKey: Buffer = randomBytes(32);

before(async () => {
  postgres = await startPostgres({ majorVersion: "18" });
  const { host, port, user, database } = postgres.address;
  const url = `postgres://${user}@${host}:${port}/${database}`;
  catalog = await openCatalog(url, { maxConnections: 3, applicationName: "test", onError: () => undefined });
  const masterKey = presentKey;
  await bootstrap(catalog, { configuration: testConfiguration(), masterKey, adminToken: undefined });
  for (const [number, id] of serviceIds.entries()) {
    const service = {
      ...({ id, project: "demo", name: `shop-${number}`, engine: "pg", kind: "managed", cloud: north } as const),
      ...{
        plan: "startup-4",
        version: "18",
        userConfig: {},
        databases: [],
        forkedFrom: undefined,
        systemId: undefined,
      },
      users: [{ name: "ann", password, isAdmin: false }],
    };
    await recordRebuilt(catalog.db, { service, cloud: north, backups: [], logs: [] }, { masterKey, now: new Date() });
    await appendServerLog(catalog.db, masterKey, {
      ...{ serviceId: id, from: { nextLine: 1, fileOffset: 0 }, fileOffset: 9 },
      lines: [{ at: new Date(), message: "ready" }],
    });
  }
  const states = [north, south].map((cloud) => ({
    ...{ cloud, is_store_up: true, trouble: null, since: new Date(), checked_at: new Date(), is_initialized: true },
  }));
  await catalog.db.insertInto("cloud_state").values(states).execute();
});

after(async () => {
  await catalog.close();
  await postgres[Symbol.asyncDispose]();
});

/** An installation whose key file has the catalog's present key, and whose stores are filled with it. */
class Sealed {
  readonly dataDirectory: string;
  readonly stores: ReadonlyMap<string, FaultObjectStore>;
  readonly before: MasterKey;

  private constructor(dataDirectory: string, stores: ReadonlyMap<string, FaultObjectStore>, key: MasterKey) {
    this.dataDirectory = dataDirectory;
    this.stores = stores;
    this.before = key;
  }

  static async make(context: TestContext): Promise<Sealed> {
    const dataDirectory = await temporaryDirectory(context);
    await writeKeyFile(dataFiles(dataDirectory).masterKey, presentKey, undefined);
    const key = await readMasterKey(dataDirectory, { create: false });
    const stores = new Map([north, south].map((cloud) => [cloud, new FaultObjectStore(new MemoryObjectStore())]));
    for (const store of stores.values()) {
      for (const serviceId of serviceIds) {
        await Repository.create({ store, serviceId, masterKey: key.key, compressionLevel: 1 });
      }
    }
    return new Sealed(dataDirectory, stores, key);
  }

  /** As `btar up` would find the key when it starts now. */
  async keyInForce(): Promise<MasterKey> {
    const found = await readMasterKey(this.dataDirectory, { create: false });
    return await checkMasterKey(catalog, found, this.dataDirectory);
  }

  async rotate(say: (line: string) => void = () => undefined): Promise<RotationResult> {
    const masterKey = await this.keyInForce();
    const { stores, dataDirectory } = this;
    const result = await rotateKey({ catalog, stores, masterKey, dataDirectory, passphrase: undefined, say });
    presentKey = (await this.keyInForce()).key;
    return result;
  }

  /** By place: what a key opens. */
  async opens(key: Buffer): Promise<readonly string[]> {
    const found = await examineKey(key, { catalog: catalog, stores: this.stores });
    return found.filter(({ state }) => state === "opens").map(({ where }) => where);
  }
}

const everywhere = ["catalog", north, south];

test("a rotation seals every secret anew, and the key before opens nothing any more", async (context) => {
  const sealed = await Sealed.make(context);
  assert.deepEqual(await sealed.opens(sealed.before.key), everywhere);
  const result = await sealed.rotate();
  const now = await readMasterKey(sealed.dataDirectory, { create: false });
  assert.equal(result.keyId, keyIdOf(now.key));
  assert.notEqual(result.keyId, keyIdOf(sealed.before.key));
  assert.deepEqual(await sealed.opens(now.key), everywhere);
  assert.deepEqual(await sealed.opens(sealed.before.key), []);
  const { db } = catalog;
  for (const serviceId of serviceIds) {
    const owner = { serviceId, name: "ann" };
    const user = await db
      .selectFrom("service_user")
      .select("sealed_password")
      .where("service_id", "=", serviceId)
      .executeTakeFirstOrThrow();
    assert.equal(openUserPassword(now.key, owner, user.sealed_password), password);
    assert.equal((await readServerLog(db, now.key, serviceId))[0]?.message, "ready");
  }
  assert.equal(await unfinishedRotation(db), undefined);
});

test("a rotation that is cut off at any step is gone on with; in between, one key opens everything", async (context) => {
  const lines: string[] = [];
  const whole = await Sealed.make(context);
  await whole.rotate((line) => lines.push(line));
  const calls = [...whole.stores.values()].map((store) => store.calls());
  const cuts: ((sealed: Sealed) => ((line: string) => void) | undefined)[] = [
    ...lines.map((_line, index) => () => {
      let said = 0;
      return () => {
        said += 1;
        if (said > index) throw new Error("killed");
      };
    }),
    ...[north, south].flatMap((cloud, index) =>
      Array.from({ length: Math.ceil((calls[index] ?? 0) / 3) }, (_, step) => (sealed: Sealed) => {
        sealed.stores.get(cloud)?.interrupt(
          async () => {
            throw new Error("killed");
          },
          { afterCalls: step * 3 },
        );
        return undefined;
      }),
    ),
  ];
  assert.ok(cuts.length > 10, `${cuts.length} places to cut it off`);
  for (const cut of cuts) {
    const sealed = await Sealed.make(context);
    const say = cut(sealed);
    const ended = await sealed.rotate(say).then(
      () => "whole",
      () => "cut off",
    );
    for (const store of sealed.stores.values()) store.heal();
    const inForce = await sealed.keyInForce();
    presentKey = inForce.key;
    assert.deepEqual(await sealed.opens(inForce.key), everywhere, `one key opens everything, ${ended}`);
    await sealed.rotate();
    const last = await sealed.keyInForce();
    assert.deepEqual(await sealed.opens(last.key), everywhere);
    assert.deepEqual(await sealed.opens(sealed.before.key), []);
  }
});

test("a store that is down before leaves the key in force; one that goes down later is caught up", async (context) => {
  const sealed = await Sealed.make(context);
  sealed.stores.get(south)?.failWith("STORE_UNREACHABLE");
  const refused = await rejectsWith("STORE_UNREACHABLE", () => sealed.rotate());
  assert.match(refused.message, /the store of local-south cannot take the next key/);
  assert.deepEqual(await sealed.opens(sealed.before.key), ["catalog", north]);
  sealed.stores.get(south)?.heal();
  assert.deepEqual((await sealed.keyInForce()).key, sealed.before.key);

  const unfinished = await sealed.rotate((line) => {
    if (/secrets of the catalog/.test(line)) sealed.stores.get(south)?.failWith("STORE_UNREACHABLE");
  });
  assert.equal(unfinished.isUnfinished, true);
  sealed.stores.get(south)?.heal();
  const now = await sealed.keyInForce();
  assert.deepEqual(await sealed.opens(now.key), everywhere, "btar goes on with the new key meanwhile");
  assert.deepEqual(await sealed.opens(sealed.before.key), [south]);
  const finished = await sealed.rotate();
  assert.deepEqual([finished.isUnfinished, finished.keyId], [false, keyIdOf(now.key)], "no third key is made");
  assert.deepEqual(await sealed.opens(sealed.before.key), []);
});

test("while a server or an agent runs, the key is not rotated", async (context) => {
  const sealed = await Sealed.make(context);
  await catalog.db.connection().execute(async (session) => {
    await sql`set application_name = 'btar agent local-north'`.execute(session);
    const refused = await rejectsWith("WRONG_STATE", () => sealed.rotate());
    assert.match(refused.message, /while btar runs: btar agent local-north/);
    await sql`reset application_name`.execute(session);
  });
  assert.deepEqual(await sealed.opens(sealed.before.key), everywhere);
});

test("no sealed column of the catalog is forgotten", async () => {
  const { rows } = await sql<{ name: string }>`select table_name || '.' || column_name as name
    from information_schema.columns where table_schema = 'public' and column_name like 'sealed%'`.execute(catalog.db);
  assert.deepEqual(
    rows.map(({ name }) => name).sort(),
    sealedColumns.map(({ table, column }) => `${table}.${column}`).sort(),
  );
});
