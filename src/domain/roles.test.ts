import assert from "node:assert/strict";
import { test } from "node:test";
import { isAtLeast, lesserRole, projectRoles } from "./roles.ts";

test("a role may do all that lesser roles may, and nothing that greater ones are needed for", () => {
  for (const [place, role] of projectRoles.entries()) {
    const may = projectRoles.filter((least) => isAtLeast(role, least));
    assert.deepEqual(may, projectRoles.slice(0, place + 1), role);
  }
});

test("of two roles the lesser one is found in either order", () => {
  assert.equal(lesserRole("admin", "developer"), "developer");
  assert.equal(lesserRole("developer", "admin"), "developer");
  assert.equal(lesserRole("operator", "operator"), "operator");
});
