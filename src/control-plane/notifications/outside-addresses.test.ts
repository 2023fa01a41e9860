import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { OutsideAddresses } from "./outside-addresses.ts";

const inside = [
  ...["127.0.0.1", "10.1.2.3", "169.254.169.254", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1"],
  ...["[::1]", "[::]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]"],
  ...["[2002:7f00:1::]", "[::127.0.0.1]", "localhost"],
];

test("webhooks reach the internet, and neither this machine nor what only it can reach", async () => {
  const addresses = new OutsideAddresses([]);
  for (const host of inside) {
    const error = await rejectsWith("SERVER_REFUSED", () => addresses.find(host));
    assert.match(error.hint ?? "", /notifications\.allowed_networks/, host);
  }
  assert.deepEqual(await addresses.find("192.0.2.7"), { address: "192.0.2.7", family: 4, isOwn: false });
  assert.deepEqual(await addresses.find("[2001:db8::7]"), { address: "2001:db8::7", family: 6, isOwn: false });
});

test("the networks of the configuration are reached as well, and known as one's own", async () => {
  const addresses = new OutsideAddresses(["10.1.0.0/16", "127.0.0.1"]);
  assert.deepEqual(await addresses.find("10.1.2.3"), { address: "10.1.2.3", family: 4, isOwn: true });
  assert.equal((await addresses.find("127.0.0.1")).isOwn, true);
  await rejectsWith("SERVER_REFUSED", () => addresses.find("10.2.0.1"));
});

test("every spelling of an address in a URL is the same address", async () => {
  const addresses = new OutsideAddresses([]);
  for (const url of [
    "http://0x7f.1/",
    "http://2130706433/",
    "http://127.1/",
    "http://017700000001/",
    "http://①27.0.0.1/",
  ]) {
    await rejectsWith("SERVER_REFUSED", () => addresses.find(new URL(url).hostname));
  }
});
