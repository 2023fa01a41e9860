import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Failure } from "./failure.tsx";

interface ConfirmProps {
  readonly title: string;
  readonly children: ReactNode;
  /** What the button says. */
  readonly action: string;
  /** To be typed in before something is destroyed. */
  readonly name?: string;
  readonly run: () => Promise<unknown>;
  readonly close: () => void;
}

/** Asks before something is done; where it destroys, for the name of what goes. */
export function Confirm({ title, children, action, name, run, close }: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<unknown>();
  const isRight = name === undefined || typed === name;
  const submit = async () => {
    setRunning(true);
    try {
      await run();
      close();
    } catch (failure) {
      setError(failure);
      setRunning(false);
    }
  };
  return (
    <Modal opened onClose={close} title={<Text fw={650}>{title}</Text>} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isRight) void submit();
        }}
      >
        <Stack>
          <div>{children}</div>
          {name !== undefined && (
            <TextInput
              label={
                <>
                  Type <strong>{name}</strong> to confirm
                </>
              }
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              autoComplete="off"
              data-autofocus
            />
          )}
          {error !== undefined && <Failure error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button
              type="submit"
              color={name === undefined ? undefined : "red.8"}
              loading={isRunning}
              disabled={!isRight}
            >
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
