import assert from "node:assert/strict";
import { type JobView, type TestRegions, until } from "./regions.ts";

/** Restores files of `shop`, and waits until that has ended, however it does. */
export async function restoreShop(regions: TestRegions, body: Readonly<Record<string, unknown>>): Promise<JobView> {
  const { job } = await regions.api.request<{ job: JobView }>("POST", "/project/demo/service/shop/restore", body);
  let ended: JobView | undefined;
  await until("the restore has ended", async () => {
    const found = (await regions.jobs()).find(({ id }) => id === job.id);
    ended = found && ["complete", "failed"].includes(found.state) ? found : undefined;
    return ended !== undefined;
  });
  assert.ok(ended);
  return ended;
}

export async function completeRestore(regions: TestRegions, body: Readonly<Record<string, unknown>>): Promise<JobView> {
  const job = await restoreShop(regions, body);
  assert.equal(job.state, "complete", job.trouble ?? "");
  return job;
}
