import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { FileObjectStore } from "./file/file-object-store.ts";
import { createObjectStore, parseStoreUrl } from "./open-object-store.ts";
import { S3ObjectStore } from "./s3/s3-object-store.ts";

test("a file URL names a directory", () => {
  const expected = { kind: "file", url: "file:/var/lib/store", directory: "/var/lib/store" };
  for (const text of ["file:/var/lib/store", "file:///var/lib/store", "file:/var/lib/./store/"]) {
    assert.deepEqual(parseStoreUrl(text), expected, text);
  }
  const relative = { baseDirectory: "/var/lib" };
  for (const text of ["file:store", "file:./store", "file:/var/lib/store"]) {
    assert.deepEqual(parseStoreUrl(text, relative), expected, text);
  }
});

test("an S3 URL names bucket, prefix, endpoint and region", () => {
  assert.deepEqual(parseStoreUrl("s3://my.bucket/some/prefix/?region=eu-west-1"), {
    kind: "s3",
    url: "s3://my.bucket/some/prefix?region=eu-west-1",
    location: { bucket: "my.bucket", prefix: "some/prefix", endpoint: undefined, region: "eu-west-1" },
  });
  assert.deepEqual(parseStoreUrl("s3://bucket?endpoint=https://s3.example.com:9000/"), {
    kind: "s3",
    url: "s3://bucket?endpoint=https://s3.example.com:9000&region=us-east-1",
    location: { bucket: "bucket", prefix: "", endpoint: "https://s3.example.com:9000", region: "us-east-1" },
  });
});

test("the URL that was read means the same when it is read again", () => {
  for (const text of [
    "file:/a/../b//c/",
    "s3://bucket/?region=eu-west-1",
    "s3://bucket/a/b?endpoint=http://10.0.0.1:9000&insecure=true",
    "s3://bucket?endpoint=http%3A%2F%2Flocalhost%3A9000",
  ]) {
    const first = parseStoreUrl(text);
    assert.deepEqual(parseStoreUrl(first.url), first);
    assert.equal(createObjectStore(text).url, first.url);
  }
});

test("an endpoint without TLS is taken on this machine, and elsewhere only when asked for", async () => {
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) {
    parseStoreUrl(`s3://bucket?endpoint=http://${host}:9000`);
  }
  for (const host of ["s3.example.com", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com", "[::2]"]) {
    const url = `s3://bucket?endpoint=http://${host}:9000`;
    const error = await rejectsWith("INVALID_CONFIGURATION", () => parseStoreUrl(url));
    assert.match(error.hint ?? "", /insecure=true/);
    await rejectsWith("INVALID_CONFIGURATION", () => parseStoreUrl(`${url}&insecure=false`));
    parseStoreUrl(`${url}&insecure=true`);
  }
});

const refused: readonly (readonly [text: string, what: RegExp])[] = [
  ["", /no URL/],
  ["/var/lib/store", /no URL/],
  ["gs://bucket", /"gs:\/\/bucket" is no URL/],
  ["file:", /no directory/],
  ["file:store", /not absolute/],
  ["file://host/path", /no directory|not absolute/],
  ["file:/a?region=x", /no directory/],
  ["file:/", /root directory/],
  ["s3://", /names no bucket/],
  ["s3://B!/x?region=a", /names no bucket/],
  ["s3://bucket/a//b?region=eu-west-1", /"a\/\/b" is no prefix/],
  ["s3://bucket/../b?region=eu-west-1", /is no prefix/],
  ["s3://bucket/a%20b?region=eu-west-1", /is no prefix/],
  ["s3://bucket/a", /does not say its region/],
  ["s3://bucket/a?region=eu west", /does not say its region/],
  ["s3://bucket/a?region=eu-west-1&regio=b", /unknown setting regio/],
  ["s3://bucket/a?region=a&region=b", /region twice/],
  ["s3://bucket/a?region=a#b", /names no bucket/],
  ["s3://bucket/a?endpoint=s3.example.com", /endpoint s3.example.com/],
  ["s3://bucket/a?endpoint=ftp://s3.example.com", /endpoint ftp/],
  ["s3://bucket/a?endpoint=https://s3.example.com/path", /endpoint https/],
  ["s3://bucket/a?endpoint=https://s3.example.com&insecure=yes", /insecure=yes/],
];
for (const [text, what] of refused) {
  test(`X1: ${text || "an empty text"} is refused as a store`, async () => {
    const error = await rejectsWith("INVALID_CONFIGURATION", () => parseStoreUrl(text));
    assert.match(error.message, what);
    assert.ok(error.hint);
  });
}

test("credentials in a URL are refused and not repeated", async () => {
  for (const text of ["s3://key:SECRET@bucket/a", "s3://bucket?endpoint=https://key:SECRET@s3.example.com"]) {
    const error = await rejectsWith("INVALID_CONFIGURATION", () => parseStoreUrl(text));
    assert.ok(!`${error.message} ${error.hint}`.includes("SECRET"));
  }
});

test("the kind of URL decides the kind of store", () => {
  assert.ok(createObjectStore("file:/var/lib/store") instanceof FileObjectStore);
  const credentials = { accessKeyId: "AKID", secretAccessKey: "SECRET" };
  const store = createObjectStore("s3://bucket/a?region=eu-west-1", { credentials });
  assert.ok(store instanceof S3ObjectStore);
  assert.ok(!JSON.stringify(store).includes("SECRET"));
});
