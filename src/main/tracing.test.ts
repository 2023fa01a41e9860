import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

test("nothing of tracing is loaded when nobody traces", () => {
  const code = `
    import { registerHooks } from "node:module";
    registerHooks({ load: (url, context, next) => {
      if (/@opentelemetry\\/(?!api\\/)/.test(url)) console.log(url);
      return next(url, context);
    } });
    const { startTracing } = await import(${JSON.stringify(import.meta.resolve("./tracing.ts"))});
    const { JobQueue } = await import(${JSON.stringify(import.meta.resolve("../catalog/job-queue.ts"))});
    const stop = await startTracing({ tracing: { endpoint: process.argv[1] } }, { process: "test" });
    await stop();
    if (!JobQueue) throw new Error();`;
  const loaded = (endpoint: readonly string[]) => {
    const args = ["--input-type=module", "--eval", code, "--", ...endpoint];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  assert.equal(loaded([]), "");
  assert.match(loaded(["http://127.0.0.1:9/v1/traces"]), /@opentelemetry\/sdk-trace\//);
});
