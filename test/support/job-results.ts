import { type TestRegions, until } from "./regions.ts";

/** What the jobs of a kind have brought, the newest first, once all of them have ended well. */
export async function jobResults(
  regions: TestRegions,
  kind: string,
  service = "shop",
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const ofKind = async () => (await regions.jobs(service)).filter((job) => job.kind === kind);
  // What a job has made can be seen somewhat before its end.
  await until(`all jobs of kind ${kind} have ended`, async () =>
    (await ofKind()).every(({ state }) => state === "complete"),
  );
  return (await ofKind()).map(({ result }) => result ?? {});
}
