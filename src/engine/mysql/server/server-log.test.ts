import assert from "node:assert/strict";
import { test } from "node:test";
import { gistOfLog, parseLogLine } from "./server-log.ts";

const lines = [
  "2026-03-01T10:00:00.123456Z 0 [System] [MY-015015] [Server] MySQL Server - start.",
  "2026-03-01T10:00:00.223456Z 0 [ERROR] [MY-010262] [Server] Can't start server: Bind on TCP/IP port: Address in use",
  "2026-03-01T10:00:00.323456Z 0 [ERROR] [MY-000077] [Server] /usr/sbin/mysqld: Error while setting value 'X' to 'y'.",
  "  and more of it",
  "2026-03-01T10:00:00.423456Z 12 [System] [MY-010910] [Server] Shutdown complete",
];

test("lines tell their time and what is said", () => {
  assert.deepEqual(parseLogLine(lines[0] ?? ""), {
    at: new Date("2026-03-01T10:00:00.123Z"),
    message: "[System] [MY-015015] [Server] MySQL Server - start.",
  });
  assert.deepEqual(parseLogLine("  and more of it"), { at: undefined, message: "and more of it" });
});

test("errors are what an operator wants to know, the end of the log where there are none", () => {
  assert.equal(
    gistOfLog(lines),
    "Can't start server: Bind on TCP/IP port: Address in use; Error while setting value 'X' to 'y'.",
  );
  assert.match(gistOfLog([lines[0] ?? "", lines[4] ?? ""]), /start\.; .*Shutdown complete$/);
  assert.equal(gistOfLog([]), "the server wrote nothing to its log");
});
