import assert from "node:assert/strict";
import { test } from "node:test";
import { BtarError } from "../../domain/errors.ts";
import { s3StoreError } from "./s3-store-error.ts";

const call = { place: "s3 bucket b at https://s3.example.com", doing: "cannot store a/b" };

/** An error as the AWS SDK makes them of answers. */
function answer(status: number, name: string, message = "the service's words") {
  return s3StoreError(Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } }), call);
}

const meanings: readonly (readonly [status: number, name: string, code: string])[] = [
  [403, "AccessDenied", "STORE_REFUSED"],
  [403, "SignatureDoesNotMatch", "STORE_REFUSED"],
  [401, "Unauthorized", "STORE_REFUSED"],
  [400, "ExpiredToken", "STORE_REFUSED"],
  [301, "PermanentRedirect", "STORE_REFUSED"],
  [501, "NotImplemented", "STORE_REFUSED"],
  [400, "InvalidRequest", "STORE_REFUSED"],
  [403, "QuotaExceeded", "STORE_FULL"],
  [507, "XMinioStorageFull", "STORE_FULL"],
  [507, "InsufficientStorage", "STORE_FULL"],
  [404, "NoSuchBucket", "STORE_UNREACHABLE"],
  [500, "InternalError", "STORE_UNREACHABLE"],
  [503, "SlowDown", "STORE_UNREACHABLE"],
  [429, "TooManyRequests", "STORE_UNREACHABLE"],
  [409, "ConditionalRequestConflict", "STORE_UNREACHABLE"],
  [400, "BadDigest", "STORE_UNREACHABLE"],
  [400, "RequestTimeout", "STORE_UNREACHABLE"],
];
for (const [status, name, code] of meanings) {
  test(`HTTP ${status} ${name} is ${code}`, () => {
    const error = answer(status, name);
    assert.equal(error.code, code);
    assert.equal(
      error.message,
      `s3 bucket b at https://s3.example.com cannot store a/b: the service's words (${name}, HTTP ${status})`,
    );
    assert.ok(error.hint);
  });
}

test("no answer is an unreachable store, named as the system names it", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" });
  for (const failure of [refused, new AggregateError([refused, refused])]) {
    const error = s3StoreError(failure, call);
    assert.equal(error.code, "STORE_UNREACHABLE");
    assert.match(error.message, /connect ECONNREFUSED 127\.0\.0\.1:9 \(ECONNREFUSED\)$/);
  }
});

test("missing credentials are a store that refuses", () => {
  const failure = Object.assign(new Error("Could not load credentials"), { name: "CredentialsProviderError" });
  assert.equal(s3StoreError(failure, call).code, "STORE_REFUSED");
});

test("an answer without words is told as one", () => {
  assert.match(answer(403, "Forbidden", "UnknownError").message, /the service did not say why \(Forbidden, HTTP 403\)/);
});

test("what fails because its signal fired was cancelled", () => {
  const failure = Object.assign(new Error("aborted"), { code: "ECONNRESET" });
  assert.equal(s3StoreError(failure, { ...call, signal: AbortSignal.abort() }).code, "CANCELLED");
});

test("what btar itself has found out stays as it is", () => {
  const error = new BtarError("OBJECT_DAMAGED", { message: "too large" });
  assert.equal(s3StoreError(error, call), error);
});
