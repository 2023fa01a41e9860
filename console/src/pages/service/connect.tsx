import { ActionIcon, Alert, Button, Group, Menu, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconDots, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import { serviceQuery } from "../../api/queries.ts";
import type { Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { CopyValue } from "../../parts/copy-value.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { act, done } from "../../parts/notify.ts";
import { ConnectionCard } from "./connection-card.tsx";
import { NamedParts } from "./named-parts.tsx";

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
  const may = useMay();
  const url = path`/project/${project}/service/${service.service_name}/user`;
  return (
    <NamedParts
      {...{ title: "Users", noun: "user", url, field: "username", mayAdd: may("addUser") }}
      added=", with a password of its own"
      nameForm="At most 63 letters, digits, - . and _; 32 for MySQL"
      warning="Programs that log in as this user cannot do so any more."
    >
      {(remove) => (
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
              {may("changeUser") && may("deleteUser") && (
                <UserMenu
                  user={user}
                  url={`${url}/${encodeURIComponent(user.username)}`}
                  remove={() => remove(user.username)}
                />
              )}
            </Group>
          ))}
        </Stack>
      )}
    </NamedParts>
  );
}

interface UserMenuProps {
  readonly user: Service["users"][number];
  readonly url: string;
  readonly remove: () => void;
}

function UserMenu({ user, url, remove }: UserMenuProps) {
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Actions for user ${user.username}`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          onClick={() =>
            act(`${user.username} has a new password`, () => ask("PUT", url, { operation: "reset-credentials" }))
          }
        >
          New password
        </Menu.Item>
        {user.type !== "primary" && (
          <Menu.Item color="red" onClick={remove}>
            Delete…
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

function Databases({ project, service }: PartProps) {
  const may = useMay();
  const url = path`/project/${project}/service/${service.service_name}/db`;
  return (
    <NamedParts
      {...{ title: "Databases", noun: "database", url, field: "database", mayAdd: may("addDatabase"), added: "" }}
      nameForm="At most 40 letters, digits, - and _"
      warning="All that is in it goes. A fork to a moment before brings it back."
    >
      {(remove) => (
        <Table verticalSpacing={6}>
          <Table.Tbody>
            {service.databases.map((database) => (
              <Table.Tr key={database}>
                <Table.Td>{database}</Table.Td>
                {may("deleteDatabase") && (
                  <Table.Td ta="right">
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={`Delete database ${database}`}
                      onClick={() => remove(database)}
                    >
                      <IconTrash size={16} />
                    </ActionIcon>
                  </Table.Td>
                )}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </NamedParts>
  );
}

function Danger({ project, service }: PartProps) {
  const [isDeleting, setDeleting] = useState(false);
  const navigate = useNavigate();
  const url = path`/project/${project}/service/${service.service_name}`;
  const isAttached = service.service_kind === "attached";
  const isOff = service.state === "POWEROFF";
  const may = useMay();
  if (!may("changeService") || !may("deleteService")) return null;
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
