import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { FileObjectStore } from "./file-object-store.ts";

const body = Buffer.from("some bytes");
let directory = "";
let root = "";
let runs = 0;

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "btar-file-store-"));
});
beforeEach(() => {
  runs += 1;
  root = path.join(directory, String(runs), "store");
});
after(() => rm(directory, { recursive: true }));

async function openStore(): Promise<FileObjectStore> {
  const store = new FileObjectStore(root);
  await store.open({ create: true });
  return store;
}

async function keys(store: FileObjectStore, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}

test("a store that is not there is not made unless it is asked for", async () => {
  const error = await rejectsWith("STORE_UNREACHABLE", () => new FileObjectStore(root).open({ create: false }));
  assert.match(error.message, /is gone or was never set up/);
  await assert.rejects(stat(root), { code: "ENOENT" });
});

test("a store is set up for its owner alone, and found again as it was", async () => {
  const store = await openStore();
  await store.put("a/b", body);
  for (const name of ["", "objects", "objects/a", "tmp"]) {
    assert.equal((await stat(path.join(root, name))).mode & 0o777, 0o700, name);
  }
  for (const name of ["btar-store.json", "objects/a/b"]) {
    assert.equal((await stat(path.join(root, name))).mode & 0o777, 0o600, name);
  }
  assert.deepEqual(await readdir(path.join(root, "tmp")), []);
  for (const create of [true, false]) {
    const again = new FileObjectStore(root);
    await again.open({ create });
    assert.deepEqual(await again.get("a/b"), body);
  }
  assert.equal(store.url, `file:${root}`);
});

test("a directory with other files in it does not become a store", async () => {
  await mkdir(root, { recursive: true });
  await writeFile(path.join(root, "thesis.txt"), "");
  const error = await rejectsWith("INVALID_CONFIGURATION", openStore);
  assert.match(error.message, /thesis\.txt/);
  assert.deepEqual(await readdir(root), ["thesis.txt"]);
  root = path.join(root, "thesis.txt");
  await rejectsWith("INVALID_CONFIGURATION", openStore);
});

test("a place where no directory can be made is an error at once", async () => {
  await rejectsWith("STORE_UNREACHABLE", () => new FileObjectStore("/proc/store").open({ create: true }));
});

test("an empty file system becomes a store, and so does what an attempt that was cut off has left", async () => {
  await mkdir(path.join(root, "lost+found"), { recursive: true });
  await writeFile(path.join(root, "btar-store.json.host.1.00ff-1"), "{");
  await openStore();
  await rm(path.join(root, "objects"), { recursive: true });
  await rm(path.join(root, "tmp"), { recursive: true });
  await (await openStore()).put("a", body);
});

test("several that set up the same store at once have the same store", async () => {
  const stores = await Promise.all(Array.from({ length: 8 }, openStore));
  await stores[0]?.put("a", body);
  for (const store of stores) {
    await store.open({ create: false });
    assert.deepEqual(await store.get("a"), body);
  }
});

test("a store of a later format is left alone", async () => {
  await openStore();
  await writeFile(path.join(root, "btar-store.json"), JSON.stringify({ format: "btar-store", version: 2, id: "x" }));
  const error = await rejectsWith("UNSUPPORTED_FORMAT", openStore);
  assert.match(error.message, /version 2/);
});

/** Every operation that meets a store's absence. */
const operations: Readonly<Record<string, (store: FileObjectStore) => Promise<unknown>>> = {
  open: (store) => store.open({ create: false }),
  "open with create": (store) => store.open({ create: true }),
  put: (store) => store.put("a/c", body),
  "put of an object that is there": (store) => store.put("a/b", body),
  get: (store) => store.get("a/b"),
  "get of an object that is not there": (store) => store.get("x"),
  head: (store) => store.head("a/b"),
  list: (store) => keys(store),
  listFolders: (store) => store.listFolders("a/"),
  delete: (store) => store.delete("a/b"),
  sha256: (store) => store.sha256("a/b"),
  copyFrom: (store) => store.copyFrom(store, "a/b"),
};

for (const [name, operate] of Object.entries(operations)) {
  test(`${name}: a store whose directory has vanished is unreachable, and does not come back empty`, async () => {
    const store = await openStore();
    await store.put("a/b", body);
    await rename(root, `${root}.gone`);
    await rejectsWith("STORE_UNREACHABLE", () => operate(store));
    await assert.rejects(stat(root), { code: "ENOENT" });
    await rename(`${root}.gone`, root);
    assert.deepEqual(await store.get("a/b"), body);
  });

  test(`${name}: an empty mount point is no store`, async () => {
    const store = await openStore();
    await store.put("a/b", body);
    await rename(root, `${root}.gone`);
    await mkdir(root);
    await rejectsWith("STORE_UNREACHABLE", () => operate(store));
    assert.deepEqual(await readdir(root), []);
  });
}

test("a store that vanishes while it is listed does not look like a shorter one", async () => {
  const store = await openStore();
  for (let number = 0; number < 10; number += 1) await store.put(`${number}/object`, body);
  await rejectsWith("STORE_UNREACHABLE", async () => {
    for await (const { key } of store.list("")) if (key === "3/object") await rename(root, `${root}.gone`);
  });
});

test("another store in the place of the one that was opened is not used", async () => {
  const store = await openStore();
  await rename(root, `${root}.gone`);
  await openStore();
  const error = await rejectsWith("STORE_UNREACHABLE", () => store.get("a/b"));
  assert.match(error.message, /another store/);
});

test("links do not lead out of the store", async () => {
  const store = await openStore();
  const outside = path.join(directory, "outside");
  await mkdir(outside, { recursive: true });
  await writeFile(path.join(outside, "secret"), "secret");
  await symlink(outside, path.join(root, "objects", "link"));
  await symlink(path.join(outside, "secret"), path.join(root, "objects", "file"));
  assert.equal(await store.get("file"), undefined);
  assert.equal(await store.head("file"), undefined);
  assert.equal(await store.sha256("file"), undefined);
  await rejectsWith("INVALID_INPUT", () => store.put("file", body));
  assert.deepEqual(await keys(store), []);
  const inside: readonly (() => Promise<unknown>)[] = [
    () => store.get("link/secret"),
    () => store.head("link/secret"),
    () => store.put("link/new", body),
    () => store.delete("link/secret"),
    () => store.listFolders("link/"),
    () => keys(store, "link/"),
  ];
  for (const operate of inside) await rejectsWith("STORE_REFUSED", operate);
  assert.equal(await readFile(path.join(outside, "secret"), "utf8"), "secret");
  assert.deepEqual(await readdir(outside), ["secret"]);
});

test("a key cannot be an object and a folder of others", async () => {
  const store = await openStore();
  await store.put("a/b", body);
  await rejectsWith("INVALID_INPUT", () => store.put("a", body));
  await rejectsWith("INVALID_INPUT", () => store.put("a/b/c", body));
  assert.equal(await store.get("a"), undefined);
  assert.equal(await store.get("a/b/c"), undefined);
  await rejectsWith("INVALID_INPUT", () => store.put("x".repeat(256), body));
  assert.deepEqual(await readdir(path.join(root, "tmp")), []);
});

test("folders go with their last object, while others put and delete in them", async () => {
  const store = await openStore();
  await Promise.all(
    Array.from({ length: 40 }, async (_, number) => {
      const key = `a/b/${number % 4}/object-${number}`;
      for (let round = 0; round < 5; round += 1) {
        await store.put(key, body);
        await store.delete(key);
      }
    }),
  );
  assert.deepEqual(await readdir(path.join(root, "objects")), []);
});

test("a folder that was left empty is not listed", async () => {
  const store = await openStore();
  await mkdir(path.join(root, "objects", "a", "b"), { recursive: true });
  assert.deepEqual(await store.listFolders(""), []);
});

test("a put that its process did not live to finish leaves no object, and its leftovers go", async () => {
  const store = await openStore();
  const script = `
    const { FileObjectStore } = await import(${JSON.stringify(new URL("file-object-store.ts", import.meta.url))});
    const store = new FileObjectStore(${JSON.stringify(root)});
    await store.open({ create: false });
    const body = Buffer.alloc(32 * 1024 * 1024);
    for (let number = 0; ; number += 1) {
      await Promise.all([0, 1, 2, 3].map((part) => store.put("big/" + number + "-" + part, body)));
      if (number === 0) console.log("busy");
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const leftovers = await readdir(path.join(root, "tmp"));
  for await (const object of store.list("")) assert.equal(object.sizeBytes, 32 * 1024 * 1024, object.key);
  await store.open({ create: false });
  assert.deepEqual(await readdir(path.join(root, "tmp")), [], `${leftovers.length} were left`);
  await rm(root, { recursive: true });
});

test("an object that grew beyond all bounds is not read into memory", async () => {
  const store = await openStore();
  await store.put("a", body);
  const handle = await open(path.join(root, "objects", "a"), "r+");
  await handle.truncate(2 ** 40);
  await handle.close();
  await rejectsWith("OBJECT_DAMAGED", () => store.get("a"));
  await rm(root, { recursive: true });
});

test("a store that may only be read can be restored from", async () => {
  await asOrdinaryUser(async () => {
    const store = await openStore();
    await store.put("a", body);
    for (const name of ["tmp", "objects"]) await chmod(path.join(root, name), 0o500);
    const reader = new FileObjectStore(root);
    await reader.open({ create: false });
    assert.deepEqual(await reader.get("a"), body);
    const error = await rejectsWith("STORE_REFUSED", () => reader.put("b", body));
    assert.match(error.message, /EACCES/);
    for (const name of ["tmp", "objects"]) await chmod(path.join(root, name), 0o700);
  });
});

/** Nothing is forbidden to root: then the work is done with the rights of `nobody`. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0 || !process.seteuid) return await work();
  const home = await mkdtemp(path.join(tmpdir(), "btar-file-store-"));
  await chown(home, 65534, 65534);
  root = path.join(home, "store");
  process.seteuid(65534);
  try {
    await work();
  } finally {
    process.seteuid(0);
    await rm(home, { recursive: true });
  }
}
