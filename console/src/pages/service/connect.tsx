import { ActionIcon, Alert, Button, Group, Menu, SimpleGrid, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconDots, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import { serviceQuery } from "../../api/queries.ts";
import type { Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { CopyValue } from "../../parts/copy-value.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { act, done } from "../../parts/notify.ts";
import { ConnectionCard } from "./connection-card.tsx";

/** How to connect, as whom, to which database; and the service's power and end. */
export function Connect() {
  const { project, service: name } = useParams({ from: "/session/projects/$project/services/$service" });
  const service = useQuery(serviceQuery(project, name));
  return (
    <Loaded query={service} height={420}>
      {(known) => (
        <Stack gap="lg">
          {known.trouble !== null && (
            <Alert color="red" variant="outline" title="It is not as it should be">
              {known.trouble}
            </Alert>
          )}
          <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
            <ConnectionCard service={known} />
            {known.service_kind === "managed" && <Databases project={project} service={known} />}
          </SimpleGrid>
          {known.service_kind === "managed" && <Users project={project} service={known} />}
          <Danger project={project} service={known} />
        </Stack>
      )}
    </Loaded>
  );
}

interface PartProps {
  readonly project: string;
  readonly service: Service;
}

function Users({ project, service }: PartProps) {
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<string>();
  const [name, setName] = useState("");
  const url = path`/project/${project}/service/${service.service_name}/user`;
  const add = (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
      Add a user
    </Button>
  );
  return (
    <Card title="Users" actions={add}>
      <Stack gap="xs">
        {service.users.map((user) => (
          <Group key={user.username} justify="space-between" wrap="nowrap" gap="sm">
            <div style={{ flex: 1, minWidth: 0 }}>
              <Group gap="xs">
                <Text fw={600} size="sm">
                  {user.username}
                </Text>
                {user.type === "primary" && (
                  <Text size="xs" c="dimmed">
                    administrator
                  </Text>
                )}
              </Group>
              {user.password !== null && (
                <CopyValue label="Password" of={user.username} value={user.password} isSecret />
              )}
            </div>
            <Menu position="bottom-end" withArrow>
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={`Actions for user ${user.username}`}>
                  <IconDots size={18} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  onClick={() =>
                    act(`${user.username} has a new password`, () =>
                      ask("PUT", `${url}/${encodeURIComponent(user.username)}`, { operation: "reset-credentials" }),
                    )
                  }
                >
                  New password
                </Menu.Item>
                {user.type !== "primary" && (
                  <Menu.Item color="red" onClick={() => setRemoved(user.username)}>
                    Delete…
                  </Menu.Item>
                )}
              </Menu.Dropdown>
            </Menu>
          </Group>
        ))}
      </Stack>
      {isAdding && (
        <Confirm
          title="Add a user"
          action="Add"
          run={async () => {
            await ask("POST", url, { username: name });
            done(`User ${name} was added, with a password of its own`);
          }}
          close={() => setAdding(false)}
        >
          <TextInput
            label="Name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
        </Confirm>
      )}
      {removed !== undefined && (
        <Confirm
          title="Delete a user"
          action="Delete"
          name={removed}
          run={async () => {
            await ask("DELETE", `${url}/${encodeURIComponent(removed)}`);
            done(`User ${removed} was deleted`);
          }}
          close={() => setRemoved(undefined)}
        >
          <Text size="sm">Programs that log in as this user cannot do so any more.</Text>
        </Confirm>
      )}
    </Card>
  );
}

function Databases({ project, service }: PartProps) {
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<string>();
  const [name, setName] = useState("");
  const url = path`/project/${project}/service/${service.service_name}/db`;
  return (
    <Card
      title="Databases"
      actions={
        <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
          Add a database
        </Button>
      }
    >
      <Table verticalSpacing={6}>
        <Table.Tbody>
          {service.databases.map((database) => (
            <Table.Tr key={database}>
              <Table.Td>{database}</Table.Td>
              <Table.Td ta="right">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Delete database ${database}`}
                  onClick={() => setRemoved(database)}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {isAdding && (
        <Confirm
          title="Add a database"
          action="Add"
          run={async () => {
            await ask("POST", url, { database: name });
            done(`Database ${name} was added`);
          }}
          close={() => setAdding(false)}
        >
          <TextInput
            label="Name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
        </Confirm>
      )}
      {removed !== undefined && (
        <Confirm
          title="Delete a database"
          action="Delete"
          name={removed}
          run={async () => {
            await ask("DELETE", `${url}/${encodeURIComponent(removed)}`);
            done(`Database ${removed} was deleted`);
          }}
          close={() => setRemoved(undefined)}
        >
          <Text size="sm">All that is in it goes. A fork to a moment before brings it back.</Text>
        </Confirm>
      )}
    </Card>
  );
}

function Danger({ project, service }: PartProps) {
  const [isDeleting, setDeleting] = useState(false);
  const navigate = useNavigate();
  const url = path`/project/${project}/service/${service.service_name}`;
  const isAttached = service.service_kind === "attached";
  const isOff = service.state === "POWEROFF";
  return (
    <Card title={isAttached ? "Detach" : "Power and deletion"}>
      <Group>
        {!isAttached && (
          <Button
            variant="default"
            onClick={() =>
              act(isOff ? "It is being started" : "It is being stopped", () => ask("PUT", url, { powered: isOff }))
            }
          >
            {isOff ? "Power on" : "Power off"}
          </Button>
        )}
        <Button variant="default" c="var(--risk)" onClick={() => setDeleting(true)}>
          {isAttached ? "Detach…" : "Delete…"}
        </Button>
      </Group>
      {isDeleting && (
        <Confirm
          title={isAttached ? "Detach this service" : "Delete this service"}
          action={isAttached ? "Detach" : "Delete"}
          name={service.service_name}
          run={async () => {
            await ask("DELETE", url);
            done(`${service.service_name} is gone; its backups stay for a grace time`);
            await navigate({ to: "/projects/$project", params: { project } });
          }}
          close={() => setDeleting(false)}
        >
          <Text size="sm">
            {isAttached ? "Nothing more is backed up; the database stays as it is." : "The server and its data go."} The
            backups stay for a grace time, in which they can be restored.
          </Text>
        </Confirm>
      )}
    </Card>
  );
}
