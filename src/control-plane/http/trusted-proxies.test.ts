import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { TrustedProxies } from "./trusted-proxies.ts";

const from = (remoteAddress: string) => ({ socket: { remoteAddress } as Socket });
const tls = { certificate: "/c", key: "/k" };

test("past a proxy that speaks TLS nobody comes from another machine", async () => {
  const proxies = new TrustedProxies({ trustedProxies: ["10.0.0.5"], tls: undefined });
  for (const address of ["10.0.0.5", "::ffff:10.0.0.5", "127.0.0.1", "::1"]) proxies.refuseOthers(from(address));
  const error = await rejectsWith("INSECURE_CONNECTION", () => proxies.refuseOthers(from("10.0.0.6")));
  assert.equal(error.message, "10.0.0.6 came past the proxy, without TLS");
});

test("where the API speaks TLS itself, or no proxy is named, everybody may come", () => {
  new TrustedProxies({ trustedProxies: ["10.0.0.5"], tls }).refuseOthers(from("10.0.0.6"));
  new TrustedProxies({ trustedProxies: [], tls: undefined }).refuseOthers(from("10.0.0.6"));
});
