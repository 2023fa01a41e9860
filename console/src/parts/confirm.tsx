import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client.ts";
import { Failure } from "./failure.tsx";

interface ConfirmProps {
  readonly title: string;
  /** Where there is a field to fill in: given what the API says against it, to be shown there. */
  readonly children: ReactNode | ((refusal: string | undefined) => ReactNode);
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
  const hasField = typeof children === "function";
  const refusal = hasField ? refusalOf(error) : undefined;
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (refusal !== undefined) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refusal]);
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
    <Modal.Root opened onClose={close}>
      <Modal.Overlay />
      <Modal.Content>
        {/* Not the library's header: a page has one already. */}
        <Group justify="space-between" wrap="nowrap" p="md" pb={0}>
          <Modal.Title fw={650}>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </Group>
        <Modal.Body pt="md">
          <form
            ref={form}
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              if (isRight) void submit();
            }}
          >
            <Stack>
              <div>{hasField ? children(refusal) : children}</div>
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
              {error !== undefined && refusal === undefined && <Failure error={error} />}
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
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

/** What was typed in is to blame for what the API refuses with these; not for what it may not, or cannot do. */
const statusesOfInput: readonly number[] = [400, 404, 409];

function refusalOf(error: unknown): string | undefined {
  if (error instanceof ApiError) return statusesOfInput.includes(error.status) ? error.message : undefined;
  return error instanceof Error ? error.message : undefined;
}
