import assert from "node:assert/strict";
import { test } from "node:test";
import { BtarError } from "../../domain/errors.ts";
import { MemoryObjectStore } from "../../object-store/memory/memory-object-store.ts";
import { checkStores } from "./store-checks.ts";

class SkewedStore extends MemoryObjectStore {
  readonly #skewMs: number;

  constructor(skewMs: number) {
    super();
    this.#skewMs = skewMs;
  }

  override async head(key: string) {
    const found = await super.head(key);
    return found && { ...found, storedAt: new Date(found.storedAt.getTime() + this.#skewMs) };
  }
}

class ForgetfulStore extends MemoryObjectStore {
  override async get(): Promise<Buffer | undefined> {
    return undefined;
  }
}

class ClosedStore extends MemoryObjectStore {
  override async open(): Promise<void> {
    throw new BtarError("STORE_REFUSED", { message: "the store refused the credentials" });
  }
}

const severitiesOf = async (store: MemoryObjectStore) => {
  const { findings } = await checkStores(new Map([["a-b", store]]), { isFresh: false });
  return findings.map(({ check, severity }) => `${check} ${severity}`);
};

test("a store that works is left as it was", async () => {
  const store = new MemoryObjectStore();
  assert.deepEqual(await severitiesOf(store), ["store ok"]);
  assert.deepEqual(await store.listFolders(""), []);
});

test("clocks that differ, refusals and stores that forget are found", async () => {
  assert.deepEqual(await severitiesOf(new SkewedStore(1000)), ["store ok"]);
  assert.deepEqual(await severitiesOf(new SkewedStore(-20_000)), ["store ok", "clock warning"]);
  assert.deepEqual(await severitiesOf(new SkewedStore(3_600_000)), ["store ok", "clock error"]);
  assert.deepEqual(await severitiesOf(new ForgetfulStore()), ["store error"]);
  assert.deepEqual(await severitiesOf(new ClosedStore()), ["store error"]);
});
