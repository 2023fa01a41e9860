import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { checkTraversable, parsePasswd, resolveRunAs } from "./run-as.ts";

const stranger = { name: "nobody", uid: 4_000_000, gid: 4_000_000 };

test("users are read from the text of /etc/passwd", () => {
  const users = parsePasswd("# a comment\nroot:x:0:0:root:/root:/bin/sh\nnobody:*:-2:-2::/:\nbroken\nx:y:z:1\n\n");
  assert.deepEqual([...users.keys()], ["root", "nobody"]);
  assert.deepEqual(users.get("nobody"), { name: "nobody", uid: 4_294_967_294, gid: 4_294_967_294 });
});

test("a directory that the servers' user cannot enter is named, with what mends it", async () => {
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), "btar-run-as-")));
  try {
    const closed = path.join(directory, "closed");
    await mkdir(path.join(closed, "below"), { recursive: true });
    await chmod(directory, 0o755);
    await chmod(closed, 0o750);
    const error = await rejectsWith("INVALID_CONFIGURATION", () =>
      checkTraversable(path.join(closed, "below", "not", "yet", "there"), stranger),
    );
    assert.equal(error.details.blockedBy, closed);
    assert.match(error.message, /user nobody.*cannot enter/);
    assert.match(error.hint ?? "", new RegExp(`chmod o\\+x ${closed}`));

    await chmod(closed, 0o751);
    await checkTraversable(path.join(closed, "below"), stranger);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("the rights of the owner and of the group are those that count for them", async () => {
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), "btar-run-as-")));
  try {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    await chmod(directory, 0o615); // the owner may not enter, the group and others may
    await rejectsWith("INVALID_CONFIGURATION", () => checkTraversable(directory, { name: "owner", uid, gid }));
    await checkTraversable(directory, { name: "member", uid: stranger.uid, gid });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a user that does not exist, or that may not be used, is refused", async () => {
  await rejectsWith("INVALID_CONFIGURATION", () => resolveRunAs("no such user"));
  if (process.getuid?.() === 0) await rejectsWith("INVALID_CONFIGURATION", () => resolveRunAs("root"));
});

test("servers run as this process's own user unless that is root", async () => {
  const runAs = await resolveRunAs(undefined);
  assert.equal(runAs === undefined, process.getuid?.() !== 0);
  assert.notEqual(runAs?.uid, 0);
});
