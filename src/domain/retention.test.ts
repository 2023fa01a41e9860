import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { advanceRetentionClock, decideRetention, type RetainedBackup, retentionDaysOf } from "./retention.ts";

const dayMs = 86_400_000;
const start = Date.UTC(2026, 2, 1);
const day = (number: number) => new Date(start + number * dayMs);

function backup(at: number, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  const id = `day-${String(at).padStart(6, "0")}`;
  return { id, consistentAt: day(at), isRestorable: true, isKept: false, isPinned: false, ...changes };
}

function expired(backups: readonly RetainedBackup[], retentionDays: number, now: number): readonly string[] {
  const decisions = decideRetention(backups, { retentionDays, now: day(now) });
  return decisions.filter(({ reason }) => reason === "expired").map(({ id }) => id);
}

test("M3: a base backup goes when the next one is as old as the retention", () => {
  const daily = [0, 1, 2, 3, 4].map((at) => backup(at));
  assert.deepEqual(expired(daily, 2, 2.9), []);
  assert.deepEqual(expired(daily, 2, 3), ["day-000000"]);
  assert.deepEqual(expired(daily, 2, 4.5), ["day-000000", "day-000001"]);
  const decisions = decideRetention(daily, { retentionDays: 2, now: day(4.5) });
  assert.deepEqual(
    decisions.map(({ reason }) => reason),
    ["expired", "expired", "window", "window", "last"],
  );
  assert.deepEqual(decisions[2]?.expiresAt, day(5));
  assert.equal(decisions[4]?.expiresAt, undefined);
});

test("M3: the last complete base backup stays, however old", () => {
  assert.deepEqual(expired([backup(0)], 2, 1000), []);
  assert.deepEqual(expired([backup(0), backup(1)], 2, 1000), ["day-000000"]);
});

test("M3: a base backup that cannot be restored stands in for no other", () => {
  const broken = backup(5, { isRestorable: false });
  assert.deepEqual(expired([backup(0), broken], 2, 1000), []);
  assert.deepEqual(expired([backup(0), broken, backup(6)], 2, 1000), ["day-000000", "day-000005"]);
});

test("what is kept, or needed by open work, stays", () => {
  const backups = [backup(0, { isKept: true }), backup(1, { isPinned: true }), backup(2), backup(3)];
  assert.deepEqual(expired(backups, 2, 1000), ["day-000002"]);
});

test("M3: whatever was expired, every time within the retention is restored from the backup that it was before", () => {
  const backups = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 20 });
  const restorable = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(
      backups,
      restorable,
      fc.integer({ min: 0, max: 80 }),
      fc.integer({ min: 1, max: 30 }),
      (times, flags, now, days) => {
        const all = times.map((at, index) => backup(at, { isRestorable: flags[index] ?? true }));
        const gone = new Set(expired(all, days, now));
        const left = all.filter(({ id }) => !gone.has(id));
        const source = (from: readonly RetainedBackup[], at: Date) =>
          from
            .filter(({ isRestorable, consistentAt }) => isRestorable && consistentAt <= at)
            .sort((a, b) => b.consistentAt.getTime() - a.consistentAt.getTime())[0]?.id;
        for (let at = now - days; at <= Math.max(now, 61); at += 1) {
          assert.equal(source(left, day(at)), source(all, day(at)), `day ${at}`);
        }
        assert.ok(left.length > 0);
        assert.equal(
          left.some(({ isRestorable }) => isRestorable),
          all.some(({ isRestorable }) => isRestorable),
        );
      },
    ),
  );
});

test("M3: the location's own retention goes before the service's, that before the plan's", () => {
  const choice = { ofLocation: null, userConfig: {}, ofPlan: undefined, otherwise: 2 };
  assert.equal(retentionDaysOf(choice), 2);
  assert.equal(retentionDaysOf({ ...choice, ofPlan: 14 }), 14);
  assert.equal(retentionDaysOf({ ...choice, ofPlan: 14, userConfig: { backup_retention_days: 7 } }), 7);
  assert.equal(
    retentionDaysOf({ ofLocation: 30, ofPlan: 14, userConfig: { backup_retention_days: 7 }, otherwise: 2 }),
    30,
  );
});

test("the clock of retention follows the wall clock, slowly when that jumps ahead, at once when it goes back", () => {
  const second = 1000;
  assert.deepEqual(advanceRetentionClock({ previous: undefined, now: day(1), elapsedMs: 0 }).at, day(1));
  const next = advanceRetentionClock({ previous: day(1), now: new Date(day(1).getTime() + second), elapsedMs: second });
  assert.deepEqual(next, { at: new Date(day(1).getTime() + second), isHeldBack: false });

  const jumped = advanceRetentionClock({ previous: day(1), now: day(3650), elapsedMs: second });
  assert.deepEqual(jumped, { at: new Date(day(1).getTime() + 24 * second), isHeldBack: true });
  assert.deepEqual(advanceRetentionClock({ previous: day(10), now: day(2), elapsedMs: second }), {
    at: day(2),
    isHeldBack: false,
  });

  // After a week off it has caught up within 8 hours.
  let previous = day(0);
  for (let hour = 1; hour <= 8; hour += 1) {
    previous = advanceRetentionClock({ previous, now: day(7 + hour / 24), elapsedMs: 3_600_000 }).at;
  }
  assert.deepEqual(previous, day(7 + 8 / 24));
});
