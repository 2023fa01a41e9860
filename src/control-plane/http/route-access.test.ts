import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type RouteAccess, routeAccess } from "./route-access.ts";

const reference = readFileSync(join(import.meta.dirname, "../../../docs/reference.md"), "utf8");

const words: Readonly<Partial<Record<RouteAccess, string>>> = {
  whole_token: "anybody, with a token that is not narrowed",
  installation_reader: "super admin, also with a token narrowed to a role",
  super_admin: "super admin",
};

/** One line for each path, as the reference has them. */
function documentedLines(): readonly string[] {
  const byUrl = Map.groupBy(Object.entries(routeAccess), ([name]) => name.split(" ")[1] ?? "");
  return [...byUrl].map(([url, routes]) => {
    const methods = routes.map(([name, access]) => `${name.split(" ")[0]} ${words[access] ?? access}`);
    return `| \`${url}\` | ${methods.join("; ")} |`;
  });
}

test("the reference tells the role that every endpoint needs, and nothing else", () => {
  const start = "| endpoint | who may use it |\n| --- | --- |\n";
  const table = reference.slice(reference.indexOf(start) + start.length).split("\n\n")[0];
  assert.equal(table?.trimEnd(), documentedLines().join("\n"));
});
