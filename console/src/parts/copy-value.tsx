import { ActionIcon, CopyButton, Group, Text, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy, IconEye, IconEyeOff } from "@tabler/icons-react";
import { useState } from "react";

/** A value to copy; a secret one is covered until it is asked for. */
export function CopyValue({
  label,
  value,
  isSecret,
  of,
}: {
  readonly label: string;
  readonly value: string;
  readonly isSecret?: boolean;
  /** Whose it is, where there are several. */
  readonly of?: string;
}) {
  const name = of === undefined ? label : `${label} of ${of}`;
  const [isShown, setShown] = useState(!isSecret);
  return (
    <Group justify="space-between" wrap="nowrap" gap="xs" className="copy-value">
      <Text size="sm" c="dimmed" w={110} style={{ flexShrink: 0 }}>
        {label}
      </Text>
      <Text size="sm" className="mono" style={{ flex: 1, overflowWrap: "anywhere" }}>
        {isShown ? value : "••••••••••••"}
      </Text>
      <Group gap={4} wrap="nowrap">
        {isSecret && (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`${isShown ? "Hide" : "Show"} ${name}`}
            onClick={() => setShown(!isShown)}
          >
            {isShown ? <IconEyeOff size={16} /> : <IconEye size={16} />}
          </ActionIcon>
        )}
        <CopyButton value={value}>
          {({ copied, copy }) => (
            <Tooltip label={copied ? "Copied" : "Copy"}>
              <ActionIcon variant="subtle" color={copied ? "green" : "gray"} aria-label={`Copy ${name}`} onClick={copy}>
                {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
              </ActionIcon>
            </Tooltip>
          )}
        </CopyButton>
      </Group>
    </Group>
  );
}
