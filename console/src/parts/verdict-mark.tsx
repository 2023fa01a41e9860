import { Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleDashed,
  IconPlugConnectedX,
  IconProgress,
  IconShieldOff,
} from "@tabler/icons-react";
import type { Level, Verdict } from "../words/verdict.ts";
import { Moment } from "./moment.tsx";

const looks: Readonly<Record<Level, { readonly color: string; readonly Icon: typeof IconCircleCheck }>> = {
  safe: { color: "var(--safe)", Icon: IconCircleCheck },
  catching: { color: "var(--catching)", Icon: IconProgress },
  building: { color: "var(--none)", Icon: IconCircleDashed },
  none: { color: "var(--none)", Icon: IconShieldOff },
  risk: { color: "var(--risk)", Icon: IconAlertTriangle },
  lost: { color: "var(--risk)", Icon: IconPlugConnectedX },
};

/** Whether a service is safe, in words, a shape and a colour. */
export function VerdictMark({ verdict, withReason }: { readonly verdict: Verdict; readonly withReason?: boolean }) {
  const { color, Icon } = looks[verdict.level];
  return (
    <div style={{ display: "flex", gap: 8, alignItems: "flex-start", minWidth: 0 }} title={verdict.reason}>
      <Icon size={20} color={color} stroke={2} style={{ flexShrink: 0, marginTop: 1 }} aria-hidden />
      <div style={{ minWidth: 0 }}>
        <Text size="sm" fw={600} c={color} lh={1.3} style={{ whiteSpace: "normal" }}>
          {verdict.words}
          {verdict.since && (
            <>
              {" since "}
              <Moment at={verdict.since} />
            </>
          )}
        </Text>
        {withReason && (
          <Text size="xs" c="dimmed" truncate="end">
            {verdict.reason}
          </Text>
        )}
      </div>
    </div>
  );
}

export function levelColor(level: Level): string {
  return looks[level].color;
}
