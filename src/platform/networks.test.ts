import assert from "node:assert/strict";
import { test } from "node:test";
import { isInNetworks, isNetwork, networkList } from "./networks.ts";

test("addresses and networks are told from other texts", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"]) assert.ok(isNetwork(text), text);
  for (const text of ["", "10.0.0.1/33", "fd00::/129", "10.0.0/8", "host", "10.0.0.0/8/8", "10.0.0.0/x", "/8"]) {
    assert.ok(!isNetwork(text), text);
  }
});

test("an address is found in its network, in every form of it", () => {
  const list = networkList(["10.1.0.0/16", "192.0.2.7", "fd00::/8"]);
  for (const address of ["10.1.255.255", "::ffff:10.1.0.1", "::FFFF:10.1.0.1", "192.0.2.7", "fd12::1"]) {
    assert.ok(isInNetworks(list, address), address);
  }
  for (const address of ["10.2.0.1", "192.0.2.8", "fe80::1", "nobody", ""])
    assert.ok(!isInNetworks(list, address), address);
});
