import assert from "node:assert/strict";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { BtarError } from "../../src/domain/errors.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import { decodeManifest, encodeManifest } from "../../src/repository/manifest.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { restoreFiles } from "../../src/repository/restore-files.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { neverAborted, openFixture, serviceId, storeBackup } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const signal = neverAborted;

async function restore(context: TestContext, repository: Repository): Promise<void> {
  const workers = new BlobWorkers(2);
  try {
    const manifest = await repository.manifest("b1");
    const directory = path.join(await temporaryDirectory(context), "restored");
    await restoreFiles({ repository, manifest, directory, workers, signal, isSynced: false });
  } finally {
    await workers.close();
  }
}

test("X3: a flipped byte anywhere in a pack's content is found by a restore, and the pack is named", async (context) => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const manifest = await storeBackup(repository, "b1");
  const pack = manifest.packs[0];
  assert.ok(pack);
  const key = objectNames.pack(serviceId, pack.sha256);
  for (const share of [0.1, 0.4, 0.7, 0.9]) {
    const at = Math.floor(pack.sizeBytes * share);
    await store.flipByte(key, at);
    const error = await rejectsWith("OBJECT_DAMAGED", () => restore(context, repository));
    assert.ok(error.message.includes(pack.sha256), `byte ${at}: ${error.message}`);
    await store.flipByte(key, at);
  }
  await restore(context, repository);
});

test("X3: a pack that is missing, cut short, or in another's place is found and named", async (context) => {
  const damages: readonly ((store: FaultObjectStore, key: string, other: string) => Promise<void>)[] = [
    (store, key) => store.remove(key),
    (store, key) => store.cutShort(key),
    (store, key, other) => store.swap(key, other),
  ];
  for (const damage of damages) {
    const store = new FaultObjectStore(new MemoryObjectStore());
    const repository = await openFixture(store);
    const manifest = await storeBackup(repository, "b1");
    const others = await storeBackup(repository, "b2x", new Map([["base/1", Buffer.alloc(3_000_000, "other ")]]));
    const keys = [manifest, others].map(({ packs }) => objectNames.pack(serviceId, packs[0]?.sha256 ?? ""));
    await damage(store, keys[0] ?? "", keys[1] ?? "");
    const error = await restore(context, repository).then(
      () => assert.fail("the restore went through"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof BtarError);
    assert.equal(error.kind, "damaged");
    assert.ok(error.message.includes(keys[0] ?? ""), error.message);
  }
});

test("X3: a manifest that is damaged, cut short, missing or another's is found and named", async () => {
  const damages: readonly ((store: FaultObjectStore, key: string, other: string) => Promise<void>)[] = [
    (store, key) => store.flipByte(key),
    (store, key) => store.cutShort(key),
    (store, key) => store.remove(key),
    (store, key, other) => store.swap(key, other),
  ];
  for (const damage of damages) {
    const store = new FaultObjectStore(new MemoryObjectStore());
    const repository = await openFixture(store);
    await storeBackup(repository, "b1");
    await storeBackup(repository, "b2x");
    await damage(store, objectNames.manifest(serviceId, "b1"), objectNames.manifest(serviceId, "b2x"));
    const error = await repository.manifest("b1").then(
      () => assert.fail("the manifest was read"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof BtarError);
    assert.equal(error.kind, "damaged");
    assert.ok(error.message.includes("base/b1/manifest"), error.message);
  }
});

test("X3: a piece of log that is damaged, missing or another's is found and named", async () => {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const piece = (start: string, end: string) => ({ stream: "1-00000001", start, end, newestCommitMicros: 1n });
  const one = piece("0000000000000010", "0000000000000020");
  const other = piece("0000000000000020", "0000000000000030");
  await repository.putLogPiece(one, Buffer.from("one"));
  await repository.putLogPiece(other, Buffer.from("other"));
  const key = objectNames.logPiece(serviceId, one);
  await store.swap(key, objectNames.logPiece(serviceId, other));
  await rejectsWith("OBJECT_DAMAGED", () => repository.logPiece(one));
  await store.flipByte(key);
  await rejectsWith("OBJECT_DAMAGED", () => repository.logPiece(one));
  await store.remove(key);
  const error = await rejectsWith("OBJECT_MISSING", () => repository.logPiece(one));
  assert.ok(error.message.includes(key));
});

test("X3: paths that would leave the directory are refused, also in a manifest that is sealed", async () => {
  const manifest = await storeBackup(await openFixture(new MemoryObjectStore()), "b1");
  for (const bad of ["../escaped", "/etc/passwd", "base/../../x", "base//x", "", "base/./x", "a\0b"]) {
    const [first, ...rest] = manifest.files;
    assert.ok(first);
    const forged = encodeManifest({ ...manifest, files: [{ ...first, path: bad }, ...rest] });
    await rejectsWith("UNSAFE_PATH", () => decodeManifest(forged, "manifest"));
    const folder = encodeManifest({ ...manifest, directories: [{ path: bad, mode: 0o700 }] });
    await rejectsWith("UNSAFE_PATH", () => decodeManifest(folder, "manifest"));
  }
  const twice = encodeManifest({ ...manifest, files: [...manifest.files, ...manifest.files.slice(0, 1)] });
  await rejectsWith("OBJECT_DAMAGED", () => decodeManifest(twice, "manifest"));
});
