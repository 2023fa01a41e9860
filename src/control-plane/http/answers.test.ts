import assert from "node:assert/strict";
import { test } from "node:test";
import { fastify } from "fastify";
import Type from "typebox";
import { moment, nullable, nullableText } from "../../contract/schema-parts.ts";
import { answers } from "./answers.ts";
import { answerOf } from "./error-answer.ts";

const item = Type.Object({ name: Type.String(), made: moment("made"), note: nullableText("note") });
const schema = Type.Object({ items: Type.Array(item), last: nullable(item) });

test("what a schema does not declare is not sent, at any depth", async () => {
  const app = fastify();
  const row = { name: "a", made: "2026-03-01T10:00:00Z", note: null };
  app.get("/", { schema: { response: answers(schema) } }, async () => ({
    items: [{ ...row, sealed_secrets: "v1.x" }],
    last: { ...row, password: "p" },
    secret: "s",
  }));
  const { body } = await app.inject("/");
  assert.deepEqual(JSON.parse(body), { items: [row], last: row });
});

test("a refusal has its own shape beside the answer's", async () => {
  const app = fastify();
  const { status, answer } = answerOf(409, "taken", "already_exists");
  app.get("/", { schema: { response: answers(schema) } }, async (_request, reply) => reply.status(status).send(answer));
  const response = await app.inject("/");
  assert.equal(response.statusCode, 409);
  assert.deepEqual(response.json(), {
    message: "taken",
    errors: [{ message: "taken", status: 409, error_code: "already_exists" }],
  });
});
