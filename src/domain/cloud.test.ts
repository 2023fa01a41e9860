import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { checkBackupRegions, isCloudName, providerOf, regionOf } from "./cloud.ts";

const configured = [
  "aws-eu-west-1",
  "aws-eu-central-1",
  "aws-eu-north-1",
  "aws-us-east-1",
  "aws-us-east-2",
  "google-europe-west3",
];
const check = (wanted: readonly string[]) =>
  checkBackupRegions({ wanted, primary: "aws-eu-west-1", configured, maxRegions: 3 });

test("E3: another cloud of the same provider is accepted", () => {
  check(["aws-eu-central-1"]);
  check([]);
});

test("E3: a cloud that does not exist is refused, and those that would do are named", async () => {
  const error = await rejectsWith("INVALID_BACKUP_REGION", () => check(["aws-eu-west-9"]));
  assert.match(error.message, /'aws-eu-west-9': there is no such cloud/);
  assert.match(error.hint ?? "", /aws-eu-central-1, aws-eu-north-1/);
});

test("E3: the primary backup's own cloud is refused", async () => {
  const error = await rejectsWith("INVALID_BACKUP_REGION", () => check(["aws-eu-west-1"]));
  assert.match(error.message, /holds the primary backup already/);
});

test("E3: a cloud of another provider is refused", async () => {
  const error = await rejectsWith("INVALID_BACKUP_REGION", () => check(["google-europe-west3"]));
  assert.match(error.message, /provider google/);
});

test("E4: more clouds than the limit, and the same one twice, are refused", async () => {
  await rejectsWith("INVALID_BACKUP_REGION", () =>
    check(["aws-eu-central-1", "aws-eu-north-1", "aws-us-east-1", "aws-us-east-2"]),
  );
  const error = await rejectsWith("INVALID_BACKUP_REGION", () => check(["aws-eu-central-1", "aws-eu-central-1"]));
  assert.match(error.message, /twice/);
});

test("the provider of a cloud is what stands before the first dash", () => {
  assert.equal(providerOf("local-north"), "local");
  assert.equal(regionOf("aws-eu-west-1"), "eu-west-1");
  assert.equal(isCloudName("aws-eu-west-1"), true);
  for (const name of ["aws", "AWS-x", "../x-y", "a b-c", ""]) assert.equal(isCloudName(name), false, name);
});
