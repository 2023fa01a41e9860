import { Button, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { ask } from "../../api/client.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { done } from "../../parts/notify.ts";

interface NamedPartsProps {
  readonly title: string;
  /** Such as `user`. */
  readonly noun: string;
  /** Where they are added; below it, each by its name. */
  readonly url: string;
  /** The field of the API that has the name. */
  readonly field: string;
  /** What the API takes as a name. */
  readonly nameForm: string;
  readonly mayAdd: boolean;
  /** What is said when one was added, after its name. */
  readonly added: string;
  /** What deleting one means. */
  readonly warning: string;
  /** All there are. @param remove asks, and deletes one */
  readonly children: (remove: (name: string) => void) => ReactNode;
}

/** What a server has of one kind, each with a name: it can be added to, and deleted from. */
export function NamedParts({ title, noun, url, field, nameForm, mayAdd, added, warning, children }: NamedPartsProps) {
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<string>();
  const add = mayAdd && (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
      Add a {noun}
    </Button>
  );
  const capital = `${noun.charAt(0).toUpperCase()}${noun.slice(1)}`;
  return (
    <Card title={title} actions={add}>
      {children(setRemoved)}
      {isAdding && (
        <AddNamed
          noun={noun}
          nameForm={nameForm}
          add={async (name) => {
            await ask("POST", url, { [field]: name });
            done(`${capital} ${name} was added${added}`);
          }}
          close={() => setAdding(false)}
        />
      )}
      {removed !== undefined && (
        <Confirm
          title={`Delete a ${noun}`}
          action="Delete"
          name={removed}
          run={async () => {
            await ask("DELETE", `${url}/${encodeURIComponent(removed)}`);
            done(`${capital} ${removed} was deleted`);
          }}
          close={() => setRemoved(undefined)}
        >
          <Text size="sm">{warning}</Text>
        </Confirm>
      )}
    </Card>
  );
}

interface AddNamedProps {
  readonly noun: string;
  readonly nameForm: string;
  readonly add: (name: string) => Promise<void>;
  readonly close: () => void;
}

function AddNamed({ noun, nameForm, add, close }: AddNamedProps) {
  const [name, setName] = useState("");
  return (
    <Confirm title={`Add a ${noun}`} action="Add" run={async () => await add(name)} close={close}>
      {(refusal) => (
        <TextInput
          label="Name"
          description={nameForm}
          error={refusal}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
      )}
    </Confirm>
  );
}
