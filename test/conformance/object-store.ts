import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, beforeEach, suite, test } from "node:test";
import { isBtarError } from "../../src/domain/errors.ts";
import { compareKeys } from "../../src/object-store/key.ts";
import type { ObjectStore, StoredObject } from "../../src/object-store/object-store.ts";
import { rejectsWith } from "../support/assert-error.ts";

/** Makes a new, empty store at each call, of one kind and service. */
export type MakeStore = () => Promise<ObjectStore>;

/** What every `ObjectStore` does, whatever holds the bytes. */
export function objectStoreConformance(name: string, makeStore: MakeStore): void {
  suite(`${name} object store`, () => {
    puts(makeStore);
    reads(makeStore);
    lists(makeStore);
    copies(makeStore);
    refusals(makeStore);
  });
}

const body = Buffer.from("0123456789");

/** A store for one test. */
async function givenStore(makeStore: MakeStore, objects: Readonly<Record<string, Uint8Array>> = {}) {
  const store = await makeStore();
  await store.open({ create: true });
  for (const [key, bytes] of Object.entries(objects)) assert.equal(await store.put(key, bytes), "stored");
  return store;
}

function puts(makeStore: MakeStore): void {
  test("an object is read as it was stored", async () => {
    const store = await givenStore(makeStore);
    const bytes = randomBytes(100_000);
    assert.equal(await store.put("a/b", bytes), "stored");
    assert.deepEqual(await store.get("a/b"), bytes);
    await store.close();
  });

  test("an object may be empty", async () => {
    const store = await givenStore(makeStore, { "a/empty": Buffer.alloc(0) });
    assert.equal(await store.put("a/none", []), "stored");
    for (const key of ["a/empty", "a/none"]) {
      assert.deepEqual(await store.get(key), Buffer.alloc(0));
      assert.equal((await store.head(key))?.sizeBytes, 0);
      assert.deepEqual(await store.get(key, { range: { offset: 0, lengthBytes: 10 } }), Buffer.alloc(0));
    }
    await store.close();
  });

  test("several buffers become one object", async () => {
    const store = await givenStore(makeStore);
    const whole = randomBytes(3_000_000);
    // Views into a larger buffer, one of them empty: sizes and offsets must be the views' own.
    const parts = [whole.subarray(0, 1), whole.subarray(1, 1), whole.subarray(1, 1_500_001), whole.subarray(1_500_001)];
    assert.equal(await store.put("joined", parts, { sha256: sha256(whole) }), "stored");
    assert.deepEqual(await store.get("joined"), whole);
    await store.close();
  });

  test("what a caller does to its buffer after a put, or to one it got, does not reach the store", async () => {
    const store = await givenStore(makeStore);
    const mine = Buffer.from(body);
    await store.put("a", mine);
    mine.fill(0);
    (await store.get("a"))?.fill(0);
    assert.deepEqual(await store.get("a"), body);
    await store.close();
  });

  test("an object that exists is neither changed nor compared", async () => {
    const store = await givenStore(makeStore, { a: body });
    assert.equal(await store.put("a", Buffer.from("other")), "exists");
    assert.deepEqual(await store.get("a"), body);
    await store.close();
  });

  test("an object is replaced when that is asked for, and stored when there is none", async () => {
    const store = await givenStore(makeStore, { a: body });
    const other = Buffer.from("another one");
    assert.equal(await store.put("a", other, { isReplacing: true, sha256: sha256(other) }), "stored");
    assert.deepEqual(await store.get("a"), other);
    assert.equal(await store.sha256("a"), sha256(other));
    assert.equal(await store.put("b/c", body, { isReplacing: true }), "stored");
    assert.deepEqual(await keys(store), ["a", "b/c"]);
    await store.close();
  });

  test("of twenty puts of one key at the same time, exactly one stores its bytes", async () => {
    const store = await givenStore(makeStore);
    const bodies = Array.from({ length: 20 }, (_, number) => Buffer.alloc(50_000, number));
    const outcomes = await Promise.all(bodies.map((each) => store.put("race/key", each)));
    assert.equal(outcomes.filter((outcome) => outcome === "stored").length, 1);
    assert.deepEqual(await store.get("race/key"), bodies[outcomes.indexOf("stored")]);
    await store.close();
  });

  test("an object of 40 MiB is stored and read, whole and in parts", async () => {
    const store = await givenStore(makeStore);
    const part = randomBytes(8 * 1024 * 1024);
    const parts = Array.from({ length: 5 }, () => part);
    const whole = Buffer.concat(parts);
    assert.equal(await store.put("large", parts, { sha256: sha256(whole) }), "stored");
    assert.ok((await store.get("large"))?.equals(whole));
    const range = { offset: 30_000_001, lengthBytes: 5_000_000 };
    assert.ok((await store.get("large", { range }))?.equals(whole.subarray(30_000_001, 35_000_001)));
    assert.equal(await store.sha256("large"), sha256(whole));
    assert.equal(await store.put("large", parts), "exists");
    await store.close();
  });

  test("a deleted object is gone, and can be stored again", async () => {
    const store = await givenStore(makeStore, { "a/b": body, "a/c": body });
    await store.delete("a/b");
    assert.equal(await store.get("a/b"), undefined);
    await store.delete("a/b");
    await store.delete("never/there");
    assert.deepEqual(await keys(store), ["a/c"]);
    assert.equal(await store.put("a/b", Buffer.from("new")), "stored");
    assert.deepEqual(await store.get("a/b"), Buffer.from("new"));
    await store.close();
  });
}

function reads(makeStore: MakeStore): void {
  let store: ObjectStore;
  before(async () => {
    store = await givenStore(makeStore, { "a/b": body });
  });
  after(() => store.close());

  const ranges: readonly (readonly [offset: number, lengthBytes: number, expected: string])[] = [
    [0, 10, "0123456789"],
    [0, 1, "0"],
    [9, 1, "9"],
    [3, 4, "3456"],
    [8, 100, "89"],
    [0, 1_000_000_000, "0123456789"],
    [10, 1, ""],
    [1000, 5, ""],
    [3, 0, ""],
    [10, 0, ""],
  ];
  for (const [offset, lengthBytes, expected] of ranges) {
    test(`${lengthBytes} bytes from ${offset} of 10 bytes are ${expected.length} bytes`, async () => {
      const bytes = await store.get("a/b", { range: { offset, lengthBytes } });
      assert.equal(bytes?.toString(), expected);
    });
  }

  test("an object that does not exist is no error", async () => {
    assert.equal(await store.get("x"), undefined);
    assert.equal(await store.get("a/b/c"), undefined);
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.get("x", { range: { offset: 0, lengthBytes: 1 } }), undefined);
    assert.equal(await store.get("x", { range: { offset: 0, lengthBytes: 0 } }), undefined);
    assert.equal(await store.head("x"), undefined);
    assert.equal(await store.sha256("x"), undefined);
  });

  test("head tells size and time", async () => {
    const object = await store.head("a/b");
    assert.equal(object?.key, "a/b");
    assert.equal(object.sizeBytes, 10);
    assert.ok(Math.abs(Date.now() - object.storedAt.getTime()) < 60_000, object.storedAt.toISOString());
  });

  test("the SHA-256 is that of the bytes", async () => {
    assert.equal(await store.sha256("a/b"), sha256(body));
  });
}

function lists(makeStore: MakeStore): void {
  const awkward = ["a", "a-b", "a-b-c", "a.b", "a.b.c/d", "a/b", "a/b.c", "a/bc", "a0", "aB/c", "ab/c", "ab/d/e", "b"];
  /** A store of files cannot have `a` beside `a/b`. */
  const inFiles = awkward.filter((key) => key !== "a").sort(compareKeys);
  let store: ObjectStore;
  before(async () => {
    store = await givenStore(makeStore, Object.fromEntries([...inFiles].reverse().map((key) => [key, body])));
  });
  after(() => store.close());

  test("objects are listed in order of their keys' bytes", async () => {
    assert.deepEqual(await keys(store), inFiles);
  });

  test("what is listed has size and time", async () => {
    const [object] = await objects(store, "a/b");
    assert.equal(object?.sizeBytes, 10);
    assert.ok(Math.abs(Date.now() - object.storedAt.getTime()) < 60_000, object.storedAt.toISOString());
  });

  for (const prefix of ["a", "a/", "a/b", "a.", "ab/d", "ab/d/e", "ab/d/ef", "a.b.c/", "c", "a/b/"]) {
    test(`keys that begin with ${prefix} are listed, and no others`, async () => {
      const expected = inFiles.filter((key) => key.startsWith(prefix));
      assert.deepEqual(await keys(store, prefix), expected);
    });
  }

  for (const start of ["a-b", "a-c", "a/", "a/b", "a/b/c", "a/zzz", "ab/d", "0", "b", "zzz"]) {
    test(`a list after ${start} begins with the first key after it, whether it exists or not`, async () => {
      const later = inFiles.filter((key) => compareKeys(key, start) > 0);
      assert.deepEqual(await keys(store, "", start), later);
      const laterInFolder = later.filter((key) => key.startsWith("a/"));
      assert.deepEqual(await keys(store, "a/", start), laterInFolder);
    });
  }

  test("folders are listed without what is in them, and without objects beside them", async () => {
    assert.deepEqual(await store.listFolders(""), ["a", "a.b.c", "aB", "ab"]);
    assert.deepEqual(await store.listFolders("ab/"), ["d"]);
    assert.deepEqual(await store.listFolders("a/"), []);
    assert.deepEqual(await store.listFolders("none/"), []);
  });

  test("2500 objects are listed whole, in order, and from the middle", async () => {
    const many = await givenStore(makeStore);
    const all = Array.from({ length: 2500 }, (_, number) => `log/${number % 3}/${String(number).padStart(5, "0")}`);
    await inParallel(all, 24, async (key) => {
      await many.put(key, body);
    });
    all.sort(compareKeys);
    assert.deepEqual(await keys(many), all);
    assert.deepEqual(await keys(many, "log/", all[1200]), all.slice(1201));
    assert.deepEqual(
      await keys(many, "log/1/"),
      all.filter((key) => key.startsWith("log/1/")),
    );
    assert.deepEqual(await many.listFolders("log/"), ["0", "1", "2"]);
    await many.close();
  });

  test("a list can be left before its end", async () => {
    for await (const { key } of store.list("")) {
      assert.equal(key, inFiles[0]);
      break;
    }
    assert.equal((await keys(store)).length, inFiles.length);
  });

  test("a folder whose last object was deleted is not listed", async () => {
    const emptied = await givenStore(makeStore, { "a/b/c": body, "d/e": body });
    await emptied.delete("a/b/c");
    assert.deepEqual(await emptied.listFolders(""), ["d"]);
    assert.deepEqual(await emptied.listFolders("a/"), []);
    await emptied.close();
  });
}

function copies(makeStore: MakeStore): void {
  let source: ObjectStore;
  let destination: ObjectStore;
  beforeEach(async () => {
    source = await givenStore(makeStore, { "a/b": body });
    destination = await givenStore(makeStore);
  });

  test("C8: an object is copied from a store of the same kind without passing through here", async () => {
    assert.equal(await destination.copyFrom(source, "a/b"), "stored");
    assert.deepEqual(await destination.get("a/b"), body);
    assert.equal(await destination.sha256("a/b"), sha256(body));
    await source.delete("a/b");
    assert.deepEqual(await destination.get("a/b"), body);
  });

  test("a copy does not change an object that exists", async () => {
    await destination.put("a/b", Buffer.from("other"));
    assert.equal(await destination.copyFrom(source, "a/b"), "exists");
    assert.deepEqual(await destination.get("a/b"), Buffer.from("other"));
  });

  test("a copy of an object that is not there is missing", async () => {
    assert.equal(await destination.copyFrom(source, "x"), "missing");
    assert.deepEqual(await keys(destination), []);
  });
}

function refusals(makeStore: MakeStore): void {
  let store: ObjectStore;
  before(async () => {
    store = await givenStore(makeStore, { "a/b": body });
  });
  after(() => store.close());

  test("what is no key is refused by every operation, and nothing comes of it", async () => {
    for (const key of ["", "..", "../a", "a/../../b", "/a", "a//b", "a b", "ä", "a\n", "a".repeat(513)]) {
      await rejectsWith("INVALID_INPUT", () => store.put(key, body));
      await rejectsWith("INVALID_INPUT", () => store.get(key));
      await rejectsWith("INVALID_INPUT", () => store.head(key));
      await rejectsWith("INVALID_INPUT", () => store.sha256(key));
      await rejectsWith("INVALID_INPUT", () => store.delete(key));
      await rejectsWith("INVALID_INPUT", () => store.copyFrom(store, key));
    }
    for (const prefix of ["../", "/", "a//", "a b/"]) {
      await rejectsWith("INVALID_INPUT", () => keys(store, prefix));
      await rejectsWith("INVALID_INPUT", () => store.listFolders(prefix));
    }
    await rejectsWith("INVALID_INPUT", () => store.listFolders("a"));
    await rejectsWith("INVALID_INPUT", () => store.get("a/b", { range: { offset: -1, lengthBytes: 1 } }));
    assert.deepEqual(await keys(store), ["a/b"]);
  });

  test("a call whose signal has fired does nothing", async () => {
    const options = { signal: AbortSignal.abort() };
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.open({ create: true, ...options }),
      () => store.put("new", body, options),
      () => store.get("a/b", options),
      () => store.get("a/b", { range: { offset: 0, lengthBytes: 0 }, ...options }),
      () => store.head("a/b", options),
      () => objects(store, "", options),
      () => store.listFolders("", options),
      () => store.delete("a/b", options),
      () => store.copyFrom(store, "a/b", options),
      () => store.sha256("a/b", options),
    ];
    for (const call of calls) await rejectsWith("CANCELLED", call);
    assert.deepEqual(await keys(store), ["a/b"]);
  });

  test("a put that is cancelled while it runs leaves the whole object or none", async () => {
    const large = randomBytes(24 * 1024 * 1024);
    const controller = new AbortController();
    const put = store.put("cancelled", [large, large], { signal: controller.signal });
    setImmediate(() => controller.abort());
    if ((await put.catch(cancellation)) === "stored")
      assert.equal((await store.head("cancelled"))?.sizeBytes, 2 * large.length);
    // It may have arrived before the end of the call did; it may not have arrived in part.
    await store.put("cancelled", [large, large]);
    assert.equal(await store.sha256("cancelled"), sha256(Buffer.concat([large, large])));
    await store.delete("cancelled");
  });

  test("a list ends when its signal fires", async () => {
    const many = await givenStore(makeStore, { "a/1": body, "a/2": body, "b/1": body });
    const controller = new AbortController();
    const found: string[] = [];
    await rejectsWith("CANCELLED", async () => {
      for await (const { key } of many.list("", { signal: controller.signal })) {
        found.push(key);
        controller.abort();
      }
    });
    assert.deepEqual(found, ["a/1"]);
    await many.close();
  });
}

function cancellation(error: unknown): "cancelled" {
  if (isBtarError(error, "CANCELLED")) return "cancelled";
  throw error;
}

async function objects(
  store: ObjectStore,
  prefix: string,
  options: { readonly after?: string; readonly signal?: AbortSignal } = {},
): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const object of store.list(prefix, options)) found.push(object);
  return found;
}

async function keys(store: ObjectStore, prefix = "", start?: string): Promise<string[]> {
  return (await objects(store, prefix, start === undefined ? {} : { after: start })).map(({ key }) => key);
}

async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
