import assert from "node:assert/strict";
import { test } from "node:test";
import { parseVersion } from "./installations.ts";

test("the series is read of what the programs of all distributions say of themselves", () => {
  const said = {
    "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))": { majorVersion: "9.7", version: "9.7.4" },
    "/opt/mysql/bin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)": {
      majorVersion: "8.4",
      version: "8.4.3",
    },
    "mysqld  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL))": { majorVersion: "8.0", version: "8.0.36" },
    "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))": undefined,
    "mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)": undefined,
    "command not found": undefined,
  };
  for (const [text, expected] of Object.entries(said)) assert.deepEqual(parseVersion(text), expected, text);
});
