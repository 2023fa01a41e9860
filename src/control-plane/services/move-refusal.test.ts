import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError } from "../../domain/errors.ts";
import { moveRefusal } from "./move-refusal.ts";

const configured = ["local-south", "local-east", "aws-eu-west-1", "local-north"];

function refusal(cloud: string, regions: readonly string[] = [], kind: "managed" | "attached" = "managed"): string {
  const row = { name: "shop", kind, cloud: "local-north", user_config: { additional_backup_regions: regions } };
  return describeError(moveRefusal(row, cloud, { configured, maxRegions: 2 }));
}

test("M4: who wants to move a service is told the commands that fork it there, with the copies that it has", () => {
  assert.match(
    refusal("local-south"),
    /cannot be moved from local-north.*1\. `btar service update shop --additional-backup-region local-south`; 2\. wait.*4\. `btar fork shop NEW-NAME --cloud local-south --wait`.*5\. `btar service delete shop`/,
  );
  assert.match(
    refusal("local-south", ["local-east"]),
    /--additional-backup-region local-east --additional-backup-region/,
  );
  assert.match(refusal("local-south", ["local-south"]), /fork it there: 1\. wait until `btar status shop` shows/);
  const full = refusal("local-south", ["local-east", "local-west"]);
  assert.match(full, /service update shop --additional-backup-region local-south`/, "the limit is kept");
});

test("M4: an attached service is attached anew, and clouds that cannot take a service are told apart", () => {
  assert.match(
    refusal("local-south", [], "attached"),
    /1\. `btar service delete shop`; 2\. `btar service attach shop --cloud local-south --uri @FILE`/,
  );
  assert.match(refusal("aws-eu-west-1"), /other clouds of provider local: local-south, local-east\)$/);
  assert.match(refusal("nope-1"), /'nope-1': there is no such cloud \(there are: local-south, /);
});
