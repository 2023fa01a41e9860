/**
 * Real S3 servers for tests, run by the scripts in `scripts/servers`, which load what they need the first time.
 * They end when they are stopped, and also when this process ends in any way: they notice by their standard input.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Credentials } from "../../src/object-store/s3/s3-location.ts";
import { freePort } from "./free-ports.ts";

/** Time for loading packages through a slow network; a server whose programs are there is up in 10 s. */
const readyWithinMs = 5 * 60_000;
const stopWithinMs = 10_000;

const scripts = fileURLToPath(new URL("../../scripts/servers", import.meta.url));

export interface S3TestServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  readonly credentials: S3Credentials;
  /** @param options.isLocked nobody can remove its objects for a day; what is stored again becomes another version */
  makeBucket(name: string, options?: { readonly isLocked: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** Small and quick; keeps objects in memory. */
export function startMoto(): Promise<S3TestServer> {
  return startServer("s3-moto.sh");
}

/** Ceph's gateway; keeps objects in memory. */
export function startCeph(): Promise<S3TestServer> {
  return startServer("s3-ceph.sh");
}

async function startServer(script: string): Promise<S3TestServer> {
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-s3-"));
  const port = await freePort();
  // A group of its own, so that its end reaches all that it started.
  const child = spawn(path.join(scripts, script), [String(port)], {
    env: { ...process.env, TMPDIR: directory },
    stdio: "pipe",
    detached: true,
  });
  const stop = async () => {
    await end(child);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await ready(child, script);
  } catch (error) {
    await stop();
    throw error;
  }
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: "AKIDBTAR", secretAccessKey: "SECRETBTAR" };
  return {
    endpoint,
    credentials,
    stop,
    [Symbol.asyncDispose]: stop,
    async makeBucket(name, { isLocked } = { isLocked: false }) {
      const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
      await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: isLocked }));
      const lock = {
        ObjectLockEnabled: "Enabled",
        Rule: { DefaultRetention: { Mode: "COMPLIANCE", Days: 1 } },
      } as const;
      const lockCommand = new PutObjectLockConfigurationCommand({ Bucket: name, ObjectLockConfiguration: lock });
      if (isLocked) await client.send(lockCommand);
      client.destroy();
    },
  };
}

/** Waits until the server says that it is ready; its own words are in the error when it does not. */
async function ready(child: ChildProcessWithoutNullStreams, script: string): Promise<void> {
  const said = { stdout: "", stderr: "" };
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.stderr = (said.stderr + text).slice(-4000);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.stdout += text;
    if (said.stdout.includes("ready:")) resolve();
  });
  child.once("error", reject);
  child.once("exit", (code) => reject(new Error(`${script} ended with ${code ?? "a signal"}: ${said.stderr}`)));
  const late = () => reject(new Error(`${script} was not ready after ${readyWithinMs / 1000} s: ${said.stderr}`));
  const timer = setTimeout(late, readyWithinMs);
  await promise.finally(() => clearTimeout(timer));
}

/** Asks for the end and sees to it. */
async function end(child: ChildProcessWithoutNullStreams): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  const timer = setTimeout(() => process.kill(-pid, "SIGKILL"), stopWithinMs);
  child.stdin.end();
  process.kill(pid, "SIGTERM");
  await exit;
  clearTimeout(timer);
}
