import assert from "node:assert/strict";
import { test } from "node:test";
import type { Location, Protection } from "../api/types.ts";
import { verdictOf } from "./verdict.ts";

const now = new Date("2026-03-01T12:00:00Z");

function copy(changes: Partial<Location> = {}): Location {
  return {
    cloud: "aws-b",
    role: "secondary",
    state: "active",
    awaits: [],
    paused: false,
    pause_reason: null,
    bandwidth_limit: null,
    retention_days: 2,
    delete_after: null,
    trouble: null,
    replication_lag_seconds: 0,
    is_behind: false,
    rpo_seconds: 3,
    recovery_window: { earliest_at: "2026-03-01T00:00:00Z", latest_at: "2026-03-01T11:59:57Z" },
    log: null,
    complete_backups: 1,
    verification: { last_verified_at: null, data_verified_at: null, verified_until: null, damaged: [] },
    ...changes,
  };
}

function verdict(locations: readonly Location[], options: { readonly down?: string } = {}) {
  const service: Protection = {
    service_name: "shop",
    service_type: "pg",
    service_kind: "managed",
    cloud_name: "aws-a",
    state: "RUNNING",
    trouble: null,
    reservation_warning: null,
    locations: [...locations],
    forks: [],
  };
  const clouds = ["aws-a", "aws-b", "aws-c"].map((name) => ({
    cloud_name: name,
    is_up: name !== options.down,
    trouble: name === options.down ? "no agent answers" : null,
    store_since: null,
    down_since: null,
    affected: [],
    agents: [],
  }));
  const { level, words, since, reason } = verdictOf(service, { clouds, lagObjectiveSeconds: 900, now });
  return { level, words, since: since?.toISOString(), reason };
}

test("a service with a current copy is protected, one without any is not", () => {
  assert.equal(verdict([copy()]).words, "protected");
  assert.equal(verdict([]).words, "not protected");
  assert.equal(verdict([copy({ role: "primary", cloud: "aws-a" })]).words, "not protected");
  assert.equal(verdict([copy({ state: "deleting" })]).words, "not protected");
});

test("a first copy that is on its way, and a copy that lags a little, catch up", () => {
  assert.equal(verdict([copy({ recovery_window: null, rpo_seconds: null })]).words, "catching up");
  assert.equal(verdict([copy({ replication_lag_seconds: 300 })]).words, "catching up");
});

test("L4: beyond its objective a copy is at risk, since the oldest thing that it lacks", () => {
  const { words, since } = verdict([copy({ replication_lag_seconds: 3600, is_behind: true })]);
  assert.deepEqual([words, since], ["at risk", "2026-03-01T11:00:00.000Z"]);
  assert.equal(verdict([copy({ paused: true, pause_reason: "moving house" })]).words, "at risk");
  assert.match(verdict([copy()], { down: "aws-b" }).reason, /aws-b is down/);
});

test("the best of several copies counts", () => {
  assert.equal(
    verdict([copy({ replication_lag_seconds: 3600, is_behind: true }), copy({ cloud: "aws-c" })]).words,
    "protected",
  );
});

test("R1: a service whose own region is down is told where it can be forked", () => {
  const { level, reason } = verdict([copy()], { down: "aws-a" });
  assert.equal(level, "lost");
  assert.match(reason, /can be forked in aws-b/);
  assert.match(verdict([], { down: "aws-a" }).reason, /no copy/);
});
