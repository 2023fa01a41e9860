import { Button, Container } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { EmptyState } from "../parts/empty-state.tsx";

export function NotThere() {
  return (
    <Container size="sm" py="xl">
      <EmptyState
        icon={<IconMapOff size={40} />}
        title="There is no such page"
        action={
          <Button component={Link} to="/" mt="sm">
            To the overview
          </Button>
        }
      >
        What was here may have been deleted, or the address may be mistyped.
      </EmptyState>
    </Container>
  );
}
