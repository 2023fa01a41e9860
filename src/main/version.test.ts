import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { btarVersion } from "./version.ts";

test("btar tells the version of its package", () => {
  const description = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  assert.equal(btarVersion, description.version);
});
