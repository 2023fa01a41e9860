import assert from "node:assert/strict";
import { test } from "node:test";
import { BtarError } from "../../domain/errors.ts";
import { errorAnswer } from "./error-answer.ts";

test("a refusal of btar's has the status of its kind, its message with the hint, and its code", () => {
  const error = new BtarError("ALREADY_EXISTS", { message: "name 'a' already exists", hint: "choose another" });
  const message = "name 'a' already exists (choose another)";
  assert.deepEqual(errorAnswer(error, "r1"), {
    status: 409,
    answer: { message, errors: [{ message, status: 409, error_code: "already_exists" }] },
  });
  assert.equal(errorAnswer(new BtarError("STORE_UNREACHABLE", { message: "x" }), "r1").status, 503);
});

test("an unexpected failure tells nothing but where to look", () => {
  const { status, answer } = errorAnswer(new Error("relation secret_table does not exist"), "r1");
  assert.equal(status, 500);
  assert.doesNotMatch(JSON.stringify(answer), /secret_table/);
  assert.match(answer.message, /request r1/);
});

test("a catalog that does not answer is told apart from a failure of btar's own", () => {
  for (const code of ["ECONNREFUSED", "57P01", "08006"]) {
    assert.equal(errorAnswer(Object.assign(new Error("x"), { code }), "r1").status, 503, code);
  }
  assert.equal(errorAnswer(Object.assign(new Error("x"), { code: "23505" }), "r1").status, 500);
});

test("what was deleted while a request built on it is a conflict, not a failure", () => {
  const error = Object.assign(new Error('insert or update on table "service" violates …'), { code: "23503" });
  const { status, answer } = errorAnswer(error, "r1");
  assert.equal(status, 409);
  assert.equal(answer.message, "What the request builds on was deleted meanwhile");
});

test("what a schema refuses is told with the value and what would be accepted, but never a secret", () => {
  const fault = { keyword: "pattern", schemaPath: "", params: {}, message: 'must match pattern "^x"' };
  const told = (more: object) => errorAnswer({ validation: [{ ...fault, ...more }] }, "r1").answer.message;
  const described = { instancePath: "/a/name", data: "Y", parentSchema: { description: "Name: small letters" } };
  assert.equal(told(described), "Invalid input: 'a.name' value 'Y' does not fit: Name: small letters");
  assert.equal(
    told({ instancePath: "/limit", data: 0, keyword: "minimum", message: "must be >= 1" }),
    "Invalid input: 'limit' value '0' must be >= 1",
  );
  for (const name of ["/password", "/uri", "/smtp_secret", ""]) {
    assert.doesNotMatch(told({ instancePath: name, data: "hunter2" }), /hunter2/);
  }
});
