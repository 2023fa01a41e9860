import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { initConnect } from "./host-access.ts";

test("nothing is asked of clients that may come from everywhere", () => {
  assert.equal(initConnect({}), "");
  assert.equal(initConnect({ ip_filter: ["::/0", "10.0.0.0/8", { network: "0.0.0.0/0" }] }), "");
});

test("networks become ranges of addresses", () => {
  const text = initConnect({ ip_filter: ["10.1.2.3/16", { network: "192.0.2.7" }, "2001:db8:8000::5/33", "::1"] });
  const ranges = [...text.matchAll(/@btar_client BETWEEN '(\S+)' AND '([^\s,]+)'/g)].map(([, first, last]) => [
    first,
    last,
  ]);
  assert.deepEqual(ranges, [
    ["4:0A010000", "4:0A01FFFF"],
    ["4:C0000207", "4:C0000207"],
    ["6:20010DB8800000000000000000000000", "6:20010DB8FFFFFFFFFFFFFFFFFFFFFFFF"],
    ["6:00000000000000000000000000000001", "6:00000000000000000000000000000001"],
  ]);
  assert.match(initConnect({ ip_filter: ["0.0.0.0/0"] }), /BETWEEN '4:00000000' AND '4:FFFFFFFF', 1,/);
  assert.match(initConnect({ ip_filter: [] }), /IF\(FALSE, 1,/);
});

test("what is no network is refused", async () => {
  for (const item of ["10.0.0.0/33", "10.0.0/8", "fe80::1%eth0", "::/129", "1.2.3.4/8/9", 7, null, { net: "::" }]) {
    const error = await rejectsWith("INVALID_USER_CONFIG", () => initConnect({ ip_filter: [item] }));
    assert.match(error.message, /user_config\.ip_filter cannot be/);
  }
});
