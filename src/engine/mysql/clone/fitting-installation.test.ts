import assert from "node:assert/strict";
import { test } from "node:test";
import { BtarError } from "../../../domain/errors.ts";
import { fittingInstallation, takesClonesOf } from "./fitting-installation.ts";

test("a MySQL takes clones of its own series, before 8.0.37 only of its own release", () => {
  for (const [donor, recipient, isTaken] of [
    ["9.7.4", "9.7.4", true],
    ["9.7.5", "9.7.4", true],
    ["9.7.4", "8.4.4", false],
    ["8.4.0", "8.4.9", true],
    ["8.0.36", "8.0.36", true],
    ["8.0.36", "8.0.40", false],
    ["8.0.37", "8.0.40", true],
    ["8.0.40", "8.0.30", false],
  ] as const) {
    assert.equal(takesClonesOf(donor, recipient), isTaken, `${donor} to ${recipient}`);
  }
});

test("without a fitting MySQL on this host, the error names the version that would do and those that are there", () => {
  const installations = [
    { version: "9.7.4", origin: "PATH" },
    { version: "8.0.30", origin: "configuration" },
  ];
  assert.equal(fittingInstallation(installations, { donor: "8.0.30", reason: "refused" }).origin, "configuration");
  for (const [donor, wanted] of [
    ["8.0.36", "8.0.36"],
    ["8.0.41", "8.0"],
    ["9.8.1", "9.8"],
  ] as const) {
    assert.throws(
      () => fittingInstallation(installations, { donor, reason: "refused" }),
      (error: unknown) => {
        assert.ok(error instanceof BtarError);
        assert.equal(error.code, "SERVER_BINARIES_MISSING");
        assert.ok(error.message.startsWith(`refused; a MySQL ${wanted} on this host could receive the server's clone`));
        assert.match(error.message, /it has 9\.7\.4 \(PATH\), 8\.0\.30 \(configuration\)/);
        return true;
      },
    );
  }
});
