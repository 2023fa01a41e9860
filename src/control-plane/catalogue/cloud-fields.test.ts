import assert from "node:assert/strict";
import { test } from "node:test";
import { testConfiguration } from "../../../test/support/running-api.ts";
import { cloudsNearTo } from "./cloud-fields.ts";

test("E3: clouds that would do are named with the nearest first, those of unknown position last", () => {
  const names = ["local-north", "aws-sa-east-1", "aws-us-east-1", "aws-eu-central-1", "aws-eu-west-1", "aws-eu-west-2"];
  const { clouds } = testConfiguration();
  const [cloud] = clouds;
  assert.ok(cloud);
  const configuration = testConfiguration({ clouds: names.map((name) => ({ ...cloud, name })) });
  const near = ["aws-eu-west-1", "aws-eu-west-2", "aws-eu-central-1", "aws-us-east-1", "aws-sa-east-1", "local-north"];
  assert.deepEqual(cloudsNearTo(configuration, "aws-eu-west-1"), near);
  assert.deepEqual(cloudsNearTo(configuration, "local-north"), names);
});
