import { Button, Stack, Text } from "@mantine/core";
import { IconGitFork } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import type { ForkPlan } from "../../api/types.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { FactList } from "../../parts/fact-list.tsx";
import { Moment } from "../../parts/moment.tsx";
import { bytesText, durationText } from "../../words/quantities.ts";

export interface ForkStart {
  readonly project: string;
  readonly name: string;
  readonly plan: string | undefined;
  readonly source: string;
  readonly from: string;
  readonly target: { readonly target_time?: string; readonly target_gtid?: string; readonly backup_name?: string };
}

interface ForkFactsProps {
  readonly source: string;
  /** Undefined: it is being asked for, or not known yet what is wanted. */
  readonly plan: ForkPlan | undefined;
  readonly isAsked: boolean;
  readonly start: ForkStart;
  readonly isNameRight: boolean;
}

/** Begins a fork. @throws {ApiError} */
export async function beginFork({ project, name, plan, source, from, target }: ForkStart): Promise<void> {
  await ask("POST", path`/project/${project}/service`, {
    service_name: name,
    cloud: from,
    ...(plan === undefined ? {} : { plan }),
    user_config: {
      service_to_fork_from: source,
      ...(target.target_time === undefined ? {} : { recovery_target_time: target.target_time }),
      ...(target.target_gtid === undefined ? {} : { recovery_target_gtid: target.target_gtid }),
      ...(target.backup_name === undefined ? {} : { recovery_basebackup_name: target.backup_name }),
    },
  });
}

/** What a fork would do, and the button that does it. */
export function ForkFacts({ source, plan, isAsked, start, isNameRight }: ForkFactsProps) {
  const [isConfirming, setConfirming] = useState(false);
  const navigate = useNavigate();
  return (
    <Stack gap="sm" mt="xs">
      <div style={{ minHeight: 96 }} aria-live="polite" aria-busy={isAsked}>
        {plan && <Facts source={source} name={start.name} plan={plan} />}
        {!plan && !isAsked && (
          <Text size="sm" c="dimmed">
            Say which version; then this tells what would be restored.
          </Text>
        )}
      </div>
      <Button
        leftSection={<IconGitFork size={16} />}
        disabled={!plan || !isNameRight}
        onClick={() => setConfirming(true)}
      >
        Fork…
      </Button>
      {isConfirming && plan && (
        <Confirm
          title={`Fork ${source} as ${start.name}`}
          action="Begin the fork"
          run={async () => {
            await beginFork(start);
            await navigate({
              to: "/projects/$project/services/$service/progress",
              params: { project: start.project, service: start.name },
            });
          }}
          close={() => setConfirming(false)}
        >
          <Facts source={source} name={start.name} plan={plan} />
        </Confirm>
      )}
    </Stack>
  );
}

function Facts({ source, name, plan }: { readonly source: string; readonly name: string; readonly plan: ForkPlan }) {
  const rows: readonly (readonly [string, React.ReactNode])[] = [
    [
      "Holds",
      <>
        what {source} was{" "}
        {plan.target_at === null ? (
          "when that transaction was committed"
        ) : (
          <>
            at <Moment at={plan.target_at} />
          </>
        )}
      </>,
    ],
    ["Restored from", `${plan.location}, base backup ${plan.backup_name}`],
    [
      "Data",
      `${bytesText(plan.data_bytes)}, then log ${plan.target === "gtid" ? "up to that transaction" : `of ${durationText(plan.log_seconds)}`}`,
    ],
    [
      "Takes",
      plan.estimated_seconds === null
        ? "not known yet: no service was forked there before"
        : `about ${durationText(plan.estimated_seconds)}, as earlier forks there`,
    ],
    ["Becomes", `${name} in ${plan.location}, with its own password and backups`],
  ];
  return <FactList facts={rows} />;
}
