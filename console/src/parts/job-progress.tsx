import { Progress, Text } from "@mantine/core";
import type { Job } from "../api/types.ts";
import { bytesText } from "../words/quantities.ts";

/** What a job does now, and how far that is. */
export function JobProgressBar({ job }: { readonly job: Job }) {
  const { progress } = job;
  if (!progress)
    return (
      <Text size="sm" c="dimmed">
        {job.state === "queued" ? "waits for its turn" : "begins"}
      </Text>
    );
  const { phase, done, total, unit, detail } = progress;
  const isCounted = done !== undefined && total !== undefined && total > 0;
  const percent = isCounted ? Math.min(100, (done / total) * 100) : undefined;
  return (
    <div style={{ maxWidth: 520 }}>
      <Text size="sm">
        {phase}
        {isCounted && unit === "bytes" && `: ${bytesText(done)} of ${bytesText(total)}`}
        {isCounted && unit === "objects" && `: ${done} of ${total}`}
        {isCounted && unit === "fraction" && `: ${Math.round((done / total) * 100)} %`}
      </Text>
      {percent !== undefined && <Progress value={percent} size="md" my={6} aria-label={phase} />}
      {detail !== undefined && (
        <Text size="xs" c="dimmed" className="mono">
          {detail}
        </Text>
      )}
    </div>
  );
}
