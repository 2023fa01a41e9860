import {
  ActionIcon,
  Alert,
  Button,
  Menu,
  MultiSelect,
  SegmentedControl,
  Stack,
  Table,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { IconBell, IconDots, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../api/client.ts";
import { useMay } from "../api/may.ts";
import type { Delivery, Destination } from "../api/types.ts";
import { Allowed } from "../parts/allowed.tsx";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { CopyValue } from "../parts/copy-value.tsx";
import { EmptyState } from "../parts/empty-state.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { act, done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";

/** Who is told of events, and what came of it. */
export function Notifications() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  return (
    <Page
      title="Notifications"
      about="Who is told when something happens: programs by signed webhooks, people by e-mail"
      actions={
        may("addNotification") && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            Add a destination
          </Button>
        )
      }
    >
      <Allowed action="readNotifications">
        <Destinations project={project} isAdding={isAdding} close={() => setAdding(false)} />
      </Allowed>
    </Page>
  );
}

interface DestinationsProps {
  readonly project: string;
  readonly isAdding: boolean;
  readonly close: () => void;
}

function Destinations({ project, isAdding, close }: DestinationsProps) {
  const url = path`/project/${project}/btar/notifications`;
  const destinations = useQuery({
    queryKey: ["project", project, "notifications"],
    queryFn: async () => (await ask<{ destinations: readonly Destination[] }>("GET", url)).destinations,
  });
  const [secret, setSecret] = useState<string>();
  return (
    <>
      {secret !== undefined && (
        <Alert
          color="sea"
          variant="outline"
          title="The secret that signs what is sent, shown this once"
          withCloseButton
          onClose={() => setSecret(undefined)}
        >
          <CopyValue label="Secret" value={secret} />
        </Alert>
      )}
      <Loaded query={destinations}>
        {(all) =>
          all.length === 0 ? (
            <section className="card">
              <EmptyState icon={<IconBell size={36} />} title="Nobody is told yet">
                Add a webhook or e-mail addresses; then a region that is down, a copy that falls behind, or damage does
                not wait until somebody looks here.
              </EmptyState>
            </section>
          ) : (
            all.map((destination) => <DestinationCard key={destination.name} url={url} destination={destination} />)
          )
        }
      </Loaded>
      {isAdding && <AddDestination url={url} added={setSecret} close={close} />}
    </>
  );
}

function DestinationCard({ url, destination }: { readonly url: string; readonly destination: Destination }) {
  const { name, type, target, severities, event_types, enabled } = destination;
  const [isRemoving, setRemoving] = useState(false);
  const may = useMay();
  const own = `${url}/${encodeURIComponent(name)}`;
  const deliveries = useQuery({
    queryKey: ["deliveries", own],
    queryFn: async () =>
      (await ask<{ deliveries: readonly Delivery[] }>("GET", `${own}/deliveries?limit=10`)).deliveries,
    refetchInterval: 10_000,
  });
  return (
    <Card
      title={name}
      about={`${type === "email" ? "e-mail to" : "webhook to"} ${target} · ${severities.join(", ")}${event_types === null ? "" : ` · ${event_types.length} kinds`}${enabled ? "" : " · switched off"}`}
      actions={
        <>
          {may("testNotification") && (
            <Button
              size="xs"
              variant="default"
              onClick={() => act("A test was sent", () => ask("POST", `${own}/test`))}
            >
              Send a test
            </Button>
          )}
          {may("changeNotification") && may("deleteNotification") && (
            <Menu position="bottom-end" withArrow>
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={`More for ${name}`}>
                  <IconDots size={18} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  onClick={() =>
                    act(enabled ? "It is switched off" : "It is switched on", () =>
                      ask("PUT", own, { enabled: !enabled }),
                    )
                  }
                >
                  {enabled ? "Switch off" : "Switch on"}
                </Menu.Item>
                <Menu.Item color="red" onClick={() => setRemoving(true)}>
                  Delete…
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          )}
        </>
      }
      flush
    >
      <Loaded query={deliveries} height={60}>
        {(all) =>
          all.length === 0 ? (
            <Text c="dimmed" px="md" pb="md" size="sm">
              Nothing was sent there yet.
            </Text>
          ) : (
            <Table.ScrollContainer minWidth={520} scrollAreaProps={{ type: "auto" }}>
              <Table verticalSpacing="xs" horizontalSpacing="md">
                <Table.Tbody>
                  {all.map((delivery) => (
                    <Table.Tr key={delivery.id}>
                      <Table.Td style={{ whiteSpace: "nowrap" }}>
                        <Moment at={delivery.create_time} />
                      </Table.Td>
                      <Table.Td>{delivery.event_desc ?? "test"}</Table.Td>
                      <Table.Td>
                        <Text size="sm" c={delivery.state === "failed" ? "var(--risk)" : undefined}>
                          {delivery.state}
                        </Text>
                        <Text size="xs" c="dimmed">
                          {delivery.result}
                        </Text>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Loaded>
      {isRemoving && (
        <Confirm
          title="Delete a destination"
          action="Delete"
          name={name}
          run={async () => {
            await ask("DELETE", own);
            done(`${name} is told nothing more`);
          }}
          close={() => setRemoving(false)}
        >
          <Text size="sm">Nothing more is sent there, and what was sent is not shown any more.</Text>
        </Confirm>
      )}
    </Card>
  );
}

interface AddProps {
  readonly url: string;
  readonly added: (secret: string | undefined) => void;
  readonly close: () => void;
}

function AddDestination({ url, added, close }: AddProps) {
  const [type, setType] = useState("webhook");
  const [name, setName] = useState("");
  const [target, setTarget] = useState("");
  const [addresses, setAddresses] = useState<string[]>([]);
  const [severities, setSeverities] = useState<string[]>(["warning", "error"]);
  return (
    <Confirm
      title="Add a destination"
      action="Add"
      run={async () => {
        const where = type === "email" ? { addresses } : { url: target };
        const { secret } = await ask<{ secret?: string }>("POST", url, { name, type, ...where, severities });
        added(secret);
        done(`${name} is told from now on`);
      }}
      close={close}
    >
      {(refusal) => (
        <Stack>
          <SegmentedControl
            aria-label="How it is told"
            value={type}
            onChange={setType}
            data={[
              { value: "webhook", label: "Webhook" },
              { value: "email", label: "E-mail" },
            ]}
          />
          <TextInput
            label="Name"
            error={ofField(refusal, "name")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          {type === "email" ? (
            <TagsInput
              label="Addresses"
              error={ofField(refusal, "where")}
              description="Enter after each"
              value={addresses}
              onChange={setAddresses}
            />
          ) : (
            <TextInput
              label="URL"
              error={ofField(refusal, "where")}
              placeholder="https://…"
              value={target}
              onChange={(event) => setTarget(event.currentTarget.value)}
            />
          )}
          <MultiSelect
            label="Severities"
            data={["info", "warning", "error"]}
            value={severities}
            onChange={setSeverities}
          />
        </Stack>
      )}
    </Confirm>
  );
}

/** The API's words say of which of the two they are. */
function ofField(refusal: string | undefined, field: "name" | "where"): string | undefined {
  if (refusal === undefined) return undefined;
  return (/url|address|host/i.test(refusal) ? "where" : "name") === field ? refusal : undefined;
}
