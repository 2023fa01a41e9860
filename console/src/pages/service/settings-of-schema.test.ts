import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, settingsOf, valueAt } from "./settings-of-schema.ts";

const schema = {
  properties: {
    backup_hour: { type: ["integer", "null"], minimum: 0, maximum: 23, description: "Hour" },
    additional_backup_regions: { type: "array" },
    pg: { type: "object", properties: { jit: { type: "boolean" }, wal: { type: "string", enum: ["a", "b"] } } },
  },
};

test("settings of objects stand beside the others, and what is set elsewhere is left out", () => {
  const settings = settingsOf(schema);
  assert.deepEqual(
    settings.map(({ key, kind, about }) => [key, kind, about]),
    [
      ["backup_hour", "number", "Hour (0 to 23)"],
      ["pg.jit", "boolean", ""],
      ["pg.wal", "choice", ""],
    ],
  );
});

test("only what was edited is sent, and null removes a setting", () => {
  const edited = new Map<string, unknown>([
    ["pg.jit", true],
    ["backup_hour", null],
  ]);
  assert.deepEqual(changesOf(settingsOf(schema), edited), { backup_hour: null, pg: { jit: true } });
  assert.equal(valueAt({ pg: { jit: false } }, ["pg", "jit"]), false);
  assert.equal(valueAt({}, ["pg", "jit"]), undefined);
});
