import { ActionIcon, Alert, Button, Menu, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconDots, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, path } from "../api/client.ts";
import { useMay } from "../api/may.ts";
import { meQuery, peopleQuery } from "../api/queries.ts";
import type { Person } from "../api/types.ts";
import { Allowed } from "../parts/allowed.tsx";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { CopyValue } from "../parts/copy-value.tsx";
import { ListTable } from "../parts/list-table.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { act, done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";

/** Who may sign in; for those who decide that. */
export function People() {
  const may = useMay();
  if (may("readPeople")) return <AllPeople />;
  return (
    <Page title="People">
      <Allowed action="readPeople">{null}</Allowed>
    </Page>
  );
}

function AllPeople() {
  const people = useQuery(peopleQuery);
  const { data: me } = useQuery(meQuery);
  const [isAdding, setAdding] = useState(false);
  const [password, setPassword] = useState<{ readonly email: string; readonly text: string }>();
  const [removed, setRemoved] = useState<Person>();
  return (
    <Page
      title="People"
      about="Who may sign in. What one may do in a project is said in its settings; super admins may do everything."
      actions={
        <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
          Add a person
        </Button>
      }
    >
      {password && (
        <Alert
          color="sea"
          variant="outline"
          title={`The password of ${password.email}, shown this once`}
          withCloseButton
          onClose={() => setPassword(undefined)}
        >
          <CopyValue label="Password" value={password.text} />
        </Alert>
      )}
      <Card flush>
        <Loaded query={people}>
          {(all) => (
            <ListTable columns={["Person", "State", "Since", undefined]} minWidth={520}>
              {all.map((person) => (
                <Table.Tr key={person.email}>
                  <Table.Td>
                    <Text size="sm" fw={600}>
                      {person.real_name}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {person.email}
                    </Text>
                  </Table.Td>
                  <Table.Td>{person.state}</Table.Td>
                  <Table.Td>
                    <Moment at={person.create_time} />
                  </Table.Td>
                  <Table.Td ta="right">
                    {person.email !== me?.user && <PersonMenu person={person} remove={() => setRemoved(person)} />}
                  </Table.Td>
                </Table.Tr>
              ))}
            </ListTable>
          )}
        </Loaded>
      </Card>
      {isAdding && (
        <AddPerson
          added={(email, text) => setPassword(text === undefined ? undefined : { email, text })}
          close={() => setAdding(false)}
        />
      )}
      {removed && (
        <Confirm
          title="Delete a person"
          action="Delete"
          name={removed.email}
          run={async () => {
            await ask("DELETE", path`/btar/user/${removed.email}`);
            done(`${removed.email} was deleted`);
          }}
          close={() => setRemoved(undefined)}
        >
          <Text size="sm">All tokens of this person end, those of programs too.</Text>
        </Confirm>
      )}
    </Page>
  );
}

function PersonMenu({ person, remove }: { readonly person: Person; readonly remove: () => void }) {
  const isActive = person.state === "active";
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${person.email}`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          onClick={() =>
            act(`${person.email} is ${isActive ? "disabled" : "active"}`, () =>
              ask("PUT", path`/btar/user/${person.email}`, { state: isActive ? "disabled" : "active" }),
            )
          }
        >
          {isActive ? "Disable: ends all tokens" : "Enable"}
        </Menu.Item>
        <Menu.Item color="red" onClick={remove}>
          Delete…
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function AddPerson({
  added,
  close,
}: {
  readonly added: (email: string, password: string | undefined) => void;
  readonly close: () => void;
}) {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  return (
    <Confirm
      title="Add a person"
      action="Add"
      run={async () => {
        const { password } = await ask<{ password?: string }>("POST", "/btar/user", {
          email,
          ...(name === "" ? {} : { real_name: name }),
        });
        added(email, password);
        done(`${email} may sign in`);
      }}
      close={close}
    >
      {(refusal) => (
        <Stack>
          <TextInput
            label="E-mail"
            error={refusal}
            type="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            data-autofocus
          />
          <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <Text size="sm" c="dimmed">
            A random password is made, and shown once.
          </Text>
        </Stack>
      )}
    </Confirm>
  );
}
