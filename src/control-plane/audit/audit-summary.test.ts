import assert from "node:assert/strict";
import { test } from "node:test";
import { auditSummary } from "./audit-summary.ts";

const summary = (body: unknown, params: object = {}, query: object = {}) => auditSummary({ params, query, body });

test("what is asked for is told, and of secrets only that they are there", () => {
  const text = summary(
    {
      service_name: "shop",
      plan: "startup-4",
      uri: "postgres://u:SECRET@host/db",
      user_config: { admin_password: "SECRET", additional_backup_regions: ["local-south"], pg: { jit: false } },
    },
    { project: "demo" },
  );
  assert.equal(
    text,
    'service_name=shop, plan=startup-4, uri, user_config.admin_password, user_config.additional_backup_regions=["local-south"], user_config.pg',
  );
  assert.equal(summary({ password: "SECRET", new_password: "SECRET" }), "password, new_password");
});

test("a token is told by its prefix, never by its whole text", () => {
  assert.equal(summary(undefined, { token: "abcdefghijkl" }), "token=abcdefghijkl");
  assert.equal(summary(undefined, { token: "abcdefghijklSECRET" }), "token");
});

test("names in the path and choices in the query are told, and long ones cut short", () => {
  const params = { project: "demo", service: "s", backup: "b1" };
  assert.equal(
    summary(undefined, params, { location: "local-south", limit: "999" }),
    "backup=b1, location=local-south",
  );
  assert.ok(summary({ service_name: "x".repeat(10_000) }).length < 300);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`key${index}`, 1]));
  assert.ok(summary(many).length <= 2001);
  for (const body of [null, "text", 5, []]) assert.equal(summary(body), "");
});
