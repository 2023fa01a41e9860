import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { GtidSet } from "./gtid-set.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const other = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

test("sets are read as MySQL writes them, and written as it reads them", async () => {
  const set = GtidSet.parse(`${uuid.toUpperCase()}:1-9:11:app:1-2:5,\n${other}:77`);
  assert.equal(set.format(), `${uuid}:1-9:11,${uuid}:app:1-2:5,${other}:77`);
  assert.ok(GtidSet.parse("").isEmpty);
  assert.equal(set.brief(), set.format());
  const odd = Array.from({ length: 200 }, (_, index) => 2 * index + 1);
  assert.equal(GtidSet.parse(`${uuid}:${odd.join(":")}`).brief(), undefined);
  for (const text of ["1-5", `${uuid}:x y`, `${uuid}:5-`, "nonsense:1"]) {
    await rejectsWith("INVALID_INPUT", () => GtidSet.parse(text));
  }
});

test("a set holds the numbers that were added to it, in whatever order they came", () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 });
  fc.assert(
    fc.property(numbers, numbers, (ours, theirs) => {
      const [a, b] = [ours, theirs].map((each) => {
        const set = new GtidSet();
        for (const number of each) set.add({ uuid, tag: "", number: BigInt(number) });
        return set;
      });
      assert.ok(a && b);
      const has = (set: GtidSet, number: number) => set.has({ uuid, tag: "", number: BigInt(number) });
      for (let number = 0; number <= 41; number += 1) assert.equal(has(a, number), ours.includes(number));
      assert.equal(
        a.isWithin(b),
        ours.every((number) => theirs.includes(number)),
      );
      assert.equal(GtidSet.parse(a.format()).format(), a.format());
      const left = a.minus(b);
      for (let number = 0; number <= 41; number += 1) {
        assert.equal(has(left, number), ours.includes(number) && !theirs.includes(number), `${number}`);
        const isLast = !ours.some((each) => each > number);
        assert.equal(a.hasLaterThan({ uuid, tag: "", number: BigInt(number) }), !isLast);
      }
      assert.equal(left.isEmpty, a.isWithin(b));
      assert.equal(a.knows({ uuid, tag: "" }), ours.length > 0);
      a.addAll(b);
      assert.ok(b.isWithin(a));
      for (let number = 1; number <= 40; number += 1) {
        assert.equal(has(a, number), ours.includes(number) || theirs.includes(number));
      }
    }),
  );
});
