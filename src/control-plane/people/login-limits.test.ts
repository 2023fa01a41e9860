import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { LoginLimits } from "./login-limits.ts";

const ann = { email: "ann@example.test", address: "192.0.2.1" };

function fail(limits: LoginLimits, attempt: { readonly email: string; readonly address: string }, times: number): void {
  for (let time = 0; time < times; time += 1) limits.begin(attempt);
}

test("ten failed logins of an e-mail from an address are taken, then none for a quarter of an hour", async () => {
  const clock = new FakeClock();
  const limits = new LoginLimits(clock);
  fail(limits, ann, 10);
  const error = await rejectsWith("TOO_MANY_ATTEMPTS", () => limits.begin({ ...ann, email: "Ann@Example.test" }));
  assert.equal(error.hint, "try again in 15 min");
  limits.begin({ ...ann, address: "192.0.2.2" });
  limits.begin({ ...ann, email: "bob@example.test" });
  await clock.advance(15 * 60_000);
  limits.begin(ann);
});

test("a login that succeeds forgets the failures before it", () => {
  const limits = new LoginLimits(new FakeClock());
  for (let round = 0; round < 10; round += 1) {
    fail(limits, ann, 9);
    limits.begin(ann)();
  }
});

test("an address that tries many e-mails is held up, and so is an e-mail that is tried from many addresses", async () => {
  const limits = new LoginLimits(new FakeClock());
  for (let time = 0; time < 100; time += 1) {
    limits.begin({ email: `${time}@example.test`, address: "192.0.2.1" });
    limits.begin({ email: "bob@example.test", address: `198.51.100.${time}` });
  }
  await rejectsWith("TOO_MANY_ATTEMPTS", () => limits.begin({ email: "x@example.test", address: "192.0.2.1" }));
  await rejectsWith("TOO_MANY_ATTEMPTS", () => limits.begin({ email: "bob@example.test", address: "192.0.2.2" }));
});

test("of IPv6, a network of 2^64 addresses counts as one", async () => {
  const limits = new LoginLimits(new FakeClock());
  const from = (address: string) => ({ email: "ann@example.test", address });
  for (let time = 0; time < 10; time += 1) limits.begin(from(`2001:db8:0:1:${time}::1`));
  await rejectsWith("TOO_MANY_ATTEMPTS", () => limits.begin(from("2001:db8::1:0:0:0:ffff")));
  limits.begin(from("2001:db8:0:2::1"));
  limits.begin(from("::ffff:192.0.2.1"));
});
