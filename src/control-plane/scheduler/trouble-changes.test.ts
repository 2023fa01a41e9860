import assert from "node:assert/strict";
import { test } from "node:test";
import type { KnownTrouble, Trouble } from "../../catalog/troubles.ts";
import { troubleChanges } from "./trouble-changes.ts";

const now = new Date("2026-03-01T10:00:00Z");
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000);

function trouble(subject: string, more: Partial<Trouble> = {}): Trouble {
  return {
    ...{ subject, kind: "service", project: "demo", serviceId: "s", serviceName: "shop", clouds: ["local-north"] },
    ...{ role: null, jobKind: null, trouble: "it does not answer", ...more },
  };
}

function changes(troubles: readonly Trouble[], known: readonly KnownTrouble[], down: readonly string[] = []) {
  const byName = new Map(known.map((each) => [each.subject, each]));
  const { begun, lasting, over } = troubleChanges(troubles, byName, { down: new Set(down), now });
  const subjects = (all: readonly { readonly subject: string }[]) => all.map(({ subject }) => subject);
  return { begun: subjects(begun), lasting: subjects(lasting), over: subjects(over) };
}

test("a trouble is told once it has lasted, once, and so is its end", () => {
  const known = (since: Date, told_at: Date | null) => [{ subject: "a", since, told_at }];
  assert.deepEqual(changes([trouble("a")], []), { begun: ["a"], lasting: [], over: [] });
  assert.deepEqual(changes([trouble("a")], known(ago(4), null)), { begun: [], lasting: [], over: [] });
  assert.deepEqual(changes([trouble("a")], known(ago(5), null)), { begun: [], lasting: ["a"], over: [] });
  assert.deepEqual(changes([trouble("a")], known(ago(9), ago(4))), { begun: [], lasting: [], over: [] });
  assert.deepEqual(changes([], known(ago(9), ago(4))), { begun: [], lasting: [], over: ["a"] });
});

test("a job may wait longer", () => {
  const job = trouble("a", { kind: "job" });
  assert.deepEqual(changes([job], [{ subject: "a", since: ago(14), told_at: null }]).lasting, []);
  assert.deepEqual(changes([job], [{ subject: "a", since: ago(15), told_at: null }]).lasting, ["a"]);
});

test("R1: what a cloud that is down holds up is neither told nor over", () => {
  const held = trouble("a", { clouds: ["local-south", "local-north"] });
  const known = [{ subject: "a", since: ago(60), told_at: null }];
  assert.deepEqual(changes([held], [], ["local-north"]), { begun: [], lasting: [], over: [] });
  assert.deepEqual(changes([held], known, ["local-north"]), { begun: [], lasting: [], over: [] });
});
