import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { type BackupHistory, type BackupSchedule, lastDueAt, nextBackupAt, scheduleOf } from "./backup-schedule.ts";

const configuration = { backups: { intervalHours: 24, retentionDays: 2, leftoverHours: 1, compressionLevel: 3 } };
const at = (time: string) => new Date(`2026-03-05T${time}Z`);
const begun = (time: string): BackupHistory => ({ newestStartedAt: at(time), lastJob: undefined });
const isBackupDue = (schedule: BackupSchedule, history: BackupHistory, now: Date) =>
  nextBackupAt(schedule, history, now) <= now;
const daily = scheduleOf({ id: "a", user_config: { backup_hour: 3, backup_minute: 30 } }, configuration);

test("P1: backup_hour and backup_minute say when the daily base backup is due", () => {
  assert.deepEqual(daily, { hour: 3, minute: 30, intervalHours: 24 });
  assert.deepEqual(lastDueAt(daily, at("03:30:00")), at("03:30:00"));
  assert.deepEqual(lastDueAt(daily, at("03:29:59")), new Date("2026-03-04T03:30:00Z"));
  assert.equal(isBackupDue(daily, begun("03:30:01"), at("23:00:00")), false);
  assert.equal(isBackupDue(daily, begun("03:00:00"), at("03:30:00")), true);
});

test("P1: what is not due yet is due at a moment that is known", () => {
  assert.deepEqual(nextBackupAt(daily, begun("03:30:01"), at("23:00:00")), new Date("2026-03-06T03:30:00Z"));
  const failed = { newestStartedAt: at("03:30:00"), lastJob: { state: "failed", finishedAt: at("03:40:00") } } as const;
  assert.deepEqual(nextBackupAt(daily, failed, at("03:41:00")), at("03:55:00"));
});

test("P1: as time goes on, one base backup a day is due, at its time", async () => {
  const clock = new FakeClock(at("00:00:00"));
  const taken: string[] = [];
  let newestStartedAt = clock.now();
  for (let minutes = 0; minutes < 3 * 24 * 60; minutes += 1) {
    await clock.advance(60_000);
    if (!isBackupDue(daily, { newestStartedAt, lastJob: undefined }, clock.now())) continue;
    newestStartedAt = clock.now();
    taken.push(newestStartedAt.toISOString());
  }
  assert.deepEqual(taken, ["2026-03-05T03:30:00.000Z", "2026-03-06T03:30:00.000Z", "2026-03-07T03:30:00.000Z"]);
});

test("P1: backup_interval_hours makes several a day, around the hour", () => {
  const schedule = scheduleOf(
    { id: "a", user_config: { backup_hour: 3, backup_minute: 0, backup_interval_hours: 6 } },
    configuration,
  );
  assert.deepEqual(lastDueAt(schedule, at("02:00:00")), new Date("2026-03-04T21:00:00Z"));
  assert.deepEqual(lastDueAt(schedule, at("16:00:00")), at("15:00:00"));
});

test("P1: an interval that does not divide a day stays even", () => {
  const schedule = { hour: 0, minute: 0, intervalHours: 36 };
  const first = lastDueAt(schedule, at("12:00:00"));
  const next = lastDueAt(schedule, new Date(first.getTime() + 36 * 3_600_000));
  assert.equal(next.getTime() - first.getTime(), 36 * 3_600_000);
  assert.deepEqual(lastDueAt(schedule, new Date(next.getTime() - 1)), first);
});

test("P1: without a setting, services are spread over the day", () => {
  const times = new Set(
    Array.from({ length: 50 }, (_, index) => {
      const { hour, minute } = scheduleOf({ id: `service-${index}`, user_config: {} }, configuration);
      return hour * 60 + minute;
    }),
  );
  assert.ok(times.size > 40, `${times.size} different times for 50 services`);
});

test("P1: a service without any base backup is due at once", () => {
  assert.equal(isBackupDue(daily, { newestStartedAt: undefined, lastJob: undefined }, at("12:00:00")), true);
});

test("P1: a base backup that failed is taken anew after a pause, one that was cancelled when the next is due", () => {
  const failed: BackupHistory = {
    newestStartedAt: at("03:30:00"),
    lastJob: { state: "failed", finishedAt: at("03:40:00") },
  };
  assert.equal(isBackupDue(daily, failed, at("03:54:59")), false);
  assert.equal(isBackupDue(daily, failed, at("03:55:00")), true);
  const cancelled: BackupHistory = { ...failed, lastJob: { state: "cancelled", finishedAt: at("03:40:00") } };
  assert.equal(isBackupDue(daily, cancelled, at("23:00:00")), false);
});
