import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite } from "node:test";
import { FileObjectStore } from "../../src/object-store/file/file-object-store.ts";
import { MeasuredObjectStore } from "../../src/object-store/measured-object-store.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { RetryingObjectStore } from "../../src/object-store/retrying-object-store.ts";
import { S3ObjectStore } from "../../src/object-store/s3/s3-object-store.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";
import { type S3TestServer, startCeph, startMoto } from "../support/s3-servers.ts";
import { objectStoreConformance } from "./object-store.ts";
import { s3Service, strictS3Service } from "./s3-service.ts";

let directory = "";
let stores = 0;
const starting = new Map<string, Promise<S3TestServer>>();

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "btar-conformance-"));
  // Both are loaded and started while the tests of other stores run; who waits for one hears of its failure.
  for (const [name, start] of [
    ["moto", startMoto],
    ["Ceph", startCeph],
  ] as const) {
    const server = start();
    server.catch(() => undefined);
    starting.set(name, server);
  }
});

after(async () => {
  for (const server of await Promise.allSettled(starting.values())) {
    if (server.status === "fulfilled") await server.value.stop();
  }
  await rm(directory, { recursive: true, force: true });
});

objectStoreConformance("memory", async () => new MemoryObjectStore());
objectStoreConformance("retrying", async () => new RetryingObjectStore(new MemoryObjectStore()));
objectStoreConformance("measured", async () => new MeasuredObjectStore(new MemoryObjectStore()));
objectStoreConformance("fault (without a fault)", async () => new FaultObjectStore(new MemoryObjectStore()));
objectStoreConformance("file", async () => {
  stores += 1;
  return new FileObjectStore(path.join(directory, String(stores)));
});

for (const name of ["moto", "Ceph"]) {
  suite(name, () => {
    let server: S3TestServer;
    before(async () => {
      const started = await starting.get(name);
      if (!started) throw new Error(`${name} was not started`);
      server = started;
      await server.makeBucket("btar-tests");
    });

    objectStoreConformance(`s3 (${name})`, async () => {
      stores += 1;
      const { endpoint, credentials } = server;
      const location = { bucket: "btar-tests", prefix: `store-${stores}/of-tests`, endpoint, region: "us-east-1" };
      return new S3ObjectStore(location, { credentials });
    });
    s3Service(name, () => server);
    if (name === "Ceph") strictS3Service(name, () => server); // moto takes any credentials and checksums
  });
}
