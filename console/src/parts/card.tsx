import { Group, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface CardProps {
  readonly title?: ReactNode;
  readonly about?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
  readonly flush?: boolean;
}

/** A part of a page with a heading of its own. */
export function Card({ title, about, actions, children, flush }: CardProps) {
  return (
    <section className="card">
      <Stack gap="sm" p={flush ? 0 : "md"}>
        {title !== undefined && (
          <Group justify="space-between" align="center" gap="xs" px={flush ? "md" : 0} pt={flush ? "md" : 0}>
            <div>
              <Title order={2} size="h4">
                {title}
              </Title>
              {about !== undefined && (
                <Text size="sm" c="dimmed">
                  {about}
                </Text>
              )}
            </div>
            {actions !== undefined && <Group gap="xs">{actions}</Group>}
          </Group>
        )}
        {children}
      </Stack>
    </section>
  );
}
