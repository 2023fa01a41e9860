import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { S3ObjectStore } from "../../src/object-store/s3/s3-object-store.ts";
import type { S3Credentials, S3Location } from "../../src/object-store/s3/s3-location.ts";
import type { S3TimeLimits } from "../../src/object-store/s3/s3-service.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { freePort } from "../support/free-ports.ts";
import type { S3TestServer } from "../support/s3-servers.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const body = Buffer.from("0123456789");
const bucket = "btar-tests";

/** What S3 stores do beyond what every store does, against a real service. */
export function s3Service(name: string, server: () => S3TestServer): void {
  const storeAt = (
    location: Partial<S3Location>,
    { credentials = server().credentials, limits }: { credentials?: S3Credentials; limits?: S3TimeLimits } = {},
  ) =>
    new S3ObjectStore(
      { bucket, prefix: "service", endpoint: server().endpoint, region: "us-east-1", ...location },
      { credentials, limits },
    );

  suite(`s3 (${name}) service`, () => {
    test("C8: objects are copied between two buckets inside the service", async () => {
      await server().makeBucket("btar-others");
      const source = storeAt({ bucket: "btar-others", prefix: "" });
      const destination = storeAt({ prefix: "copies/here" });
      await source.put("a/b", body);
      assert.equal(await destination.copyFrom(source, "a/b"), "stored");
      assert.equal(await destination.copyFrom(source, "a/b"), "exists");
      assert.deepEqual(await destination.get("a/b"), body);
    });

    test("with other credentials, or another service, the copy does not go inside the service", async () => {
      const store = storeAt({});
      const credentials = { accessKeyId: "AKIDOTHER", secretAccessKey: "SECRETOTHER" };
      const other = storeAt({ prefix: "other" }, { credentials });
      assert.equal(await store.copyFrom(other, "a"), "unsupported");
      assert.equal(await store.copyFrom(storeAt({ endpoint: "http://127.0.0.1:9" }), "a"), "unsupported");
    });

    test("stores with different prefixes do not see each other, and no names that are no keys", async () => {
      const [one, other, whole] = [storeAt({ prefix: "p" }), storeAt({ prefix: "p/q" }), storeAt({ prefix: "" })];
      await one.put("a", body);
      await other.put("b", body);
      assert.equal(await other.get("a"), undefined);
      assert.deepEqual(await other.listFolders(""), []);
      assert.deepEqual(await one.listFolders(""), ["q"]);
      assert.equal(await whole.sha256("p/q/b"), await other.sha256("b"));
    });

    test("a bucket that does not exist is an unreachable store, to every operation", async () => {
      const store = storeAt({ bucket: "btar-missing" });
      const calls: readonly (() => Promise<unknown>)[] = [
        () => store.open({ create: true }),
        () => store.put("a", body),
        () => store.get("a"),
        () => store.head("a"),
        () => store.list("")[Symbol.asyncIterator]().next(),
        () => store.listFolders(""),
        () => store.delete("a"),
        () => store.copyFrom(store, "a"),
        () => store.sha256("a"),
      ];
      for (const call of calls) {
        const error = await rejectsWith("STORE_UNREACHABLE", call);
        assert.match(error.message, /btar-missing at http:\/\/127\.0\.0\.1:\d+ cannot .*NoSuchBucket/s);
      }
    });

    test("an endpoint where nothing listens is an unreachable store", async () => {
      const endpoint = `http://127.0.0.1:${await freePort()}`;
      const error = await rejectsWith("STORE_UNREACHABLE", () => storeAt({ endpoint }).open({ create: false }));
      assert.match(error.message, /ECONNREFUSED/);
      assert.ok(error.message.includes(endpoint));
    });

    test("a service that falls silent, before or in its answer, is given up after the time limit", async () => {
      await using proxy = await TcpProxy.start(portOf(server()));
      const endpoint = `http://127.0.0.1:${proxy.port}`;
      const [store, impatient] = [
        storeAt({ endpoint }),
        storeAt({ endpoint }, { limits: { connectMs: 2000, idleMs: 1000 } }),
      ];
      const large = randomBytes(4_000_000);
      await store.put("silent", large);
      proxy.limitAnswers(0, "stall");
      await rejectsWith("STORE_UNREACHABLE", () => impatient.get("silent"));
      await rejectsWith("STORE_UNREACHABLE", () => impatient.put("other", body));
      proxy.limitAnswers(1_000_000, "stall");
      await rejectsWith("STORE_UNREACHABLE", () => impatient.get("silent"));
      proxy.limitAnswers(1_000_000, "stall");
      await rejectsWith("CANCELLED", () => store.get("silent", { signal: AbortSignal.timeout(200) }));
      proxy.unlimited();
      assert.ok((await store.get("silent"))?.equals(large));
      await Promise.all([store.close(), impatient.close()]);
    });

    test("an answer that breaks off is not taken for an object", async () => {
      await using proxy = await TcpProxy.start(portOf(server()));
      const store = storeAt({ endpoint: `http://127.0.0.1:${proxy.port}` });
      const large = randomBytes(4_000_000);
      await store.put("broken", large);
      proxy.limitAnswers(1_000_000, "cut");
      await rejectsWith("STORE_UNREACHABLE", () => store.get("broken"));
      proxy.limitAnswers(0, "cut");
      await rejectsWith("STORE_UNREACHABLE", () => store.put("other", body));
      proxy.unlimited();
      assert.ok((await store.get("broken"))?.equals(large));
      await store.close();
    });
  });
}

/** What only a service that looks at credentials and checksums shows. */
export function strictS3Service(name: string, server: () => S3TestServer): void {
  const location = () => ({ bucket, prefix: "strict", endpoint: server().endpoint, region: "us-east-1" });

  suite(`s3 (${name}) strict service`, () => {
    test("wrong credentials are refused, and not repeated in the error", async () => {
      const { accessKeyId } = server().credentials;
      for (const credentials of [
        { accessKeyId, secretAccessKey: "WRONG-SECRET" },
        { accessKeyId: "AKIDNOBODY", secretAccessKey: "WRONG-SECRET" },
      ]) {
        const store = new S3ObjectStore(location(), { credentials });
        for (const call of [() => store.open({ create: false }), () => store.head("a"), () => store.put("a", body)]) {
          const error = await rejectsWith("STORE_REFUSED", call);
          assert.match(error.message, /HTTP 403/);
          assert.ok(!JSON.stringify(error).includes("WRONG-SECRET"));
        }
      }
    });

    test("X2: bytes that are not those of the checksum are not stored", async () => {
      const store = new S3ObjectStore(location(), { credentials: server().credentials });
      for (const bytes of [body, [body.subarray(0, 5), body.subarray(5)]]) {
        await rejectsWith("STORE_UNREACHABLE", () => store.put("changed", bytes, { sha256: "ab".repeat(32) }));
        assert.equal(await store.get("changed"), undefined);
      }
    });
  });
}

function portOf(server: S3TestServer): number {
  return Number(new URL(server.endpoint).port);
}
