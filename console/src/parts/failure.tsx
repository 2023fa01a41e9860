import { Alert, Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

/** What failed, in the API's own words, which tell what would do. */
export function Failure({ error, again }: { readonly error: unknown; readonly again?: () => void }) {
  return (
    <Alert color="red" variant="outline" icon={<IconAlertTriangle />} title="That did not work" role="alert">
      {error instanceof Error ? error.message : String(error)}
      {again && (
        <Button mt="sm" size="xs" variant="default" onClick={again} display="block">
          Try again
        </Button>
      )}
    </Alert>
  );
}
