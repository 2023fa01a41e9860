import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { healObject } from "../../src/copier/heal-object.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { S3ObjectStore } from "../../src/object-store/s3/s3-object-store.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { neverAborted, openFixture, serviceId, storeBackup } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { startCeph } from "../support/s3-servers.ts";

test("objects in S3 are healed, with object lock too: damaged ones are replaced, missing ones stored again", async () => {
  await using server = await startCeph();
  await server.makeBucket("plain");
  await server.makeBucket("locked", { isLocked: true });
  const sound = new FaultObjectStore(new MemoryObjectStore());
  await storeBackup(await openFixture(sound), "b1");
  const keys = await sound.keys();
  for (const bucket of ["plain", "locked"]) {
    const { endpoint, credentials } = server;
    const location = { bucket, prefix: "of-tests", endpoint, region: "us-east-1" };
    const store = new S3ObjectStore(location, { credentials });
    for (const key of keys) await store.put(key, (await sound.get(key)) ?? Buffer.alloc(0));
    const sources = [{ cloud: "other", store: sound }];
    const heal = (key: string) => healObject({ serviceId, destination: store, sources, signal: neverAborted }, key);
    const [pack = ""] = keys.filter((key) => key.startsWith(objectNames.packs(serviceId)));
    await store.put(pack, randomBytes(5000), { isReplacing: true });
    await store.delete(objectNames.manifest(serviceId, "b1"));
    for (const key of [pack, objectNames.manifest(serviceId, "b1")]) {
      assert.deepEqual(await heal(key), { kind: "healed", from: "other" }, `${key} in ${bucket}`);
      const bytes = await sound.get(key);
      assert.deepEqual(await store.get(key), bytes);
      assert.equal(
        await store.sha256(key),
        createHash("sha256")
          .update(bytes ?? "")
          .digest("hex"),
      );
    }
    await store.close();
  }
});
