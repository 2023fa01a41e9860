import { Badge, Button, Group, Menu, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { IconDots, IconPlus } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import type { Location, Protection, Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { Moment } from "../../parts/moment.tsx";
import { act, done } from "../../parts/notify.ts";
import { durationText } from "../../words/quantities.ts";
import { LocationDialog } from "./location-dialog.tsx";

interface LocationsProps {
  readonly project: string;
  readonly protection: Protection;
  readonly service: Service | undefined;
}

type Asked =
  | { readonly what: "add" }
  | { readonly what: "change" | "disable" | "pause" | "retention"; readonly location: Location };

/** Where copies of a service's backups are, and how that is changed. */
export function Locations({ project, protection, service }: LocationsProps) {
  const [asked, setAsked] = useState<Asked>();
  const name = protection.service_name;
  const url = path`/project/${project}/service/${name}`;
  const secondary = protection.locations.filter(({ role }) => role === "secondary");
  const wanted = wantedClouds(service);
  const setClouds = (clouds: readonly string[]) =>
    ask("PUT", url, { user_config: { additional_backup_regions: clouds } });
  const change = (location: Location, body: object) => ask("PUT", `${url}/btar/locations/${location.cloud}`, body);
  const close = () => setAsked(undefined);
  const may = useMay();
  const add = may("changeService") && (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAsked({ what: "add" })}>
      Add secondary backup location
    </Button>
  );
  return (
    <Card title="Secondary backup locations" actions={secondary.length > 0 ? add : undefined}>
      {secondary.length === 0 ? (
        <EmptyState icon={<IconPlus size={36} />} title="There is no copy in another region" action={add}>
          When {protection.cloud_name} is lost, this service is lost with it. A secondary location holds a verified
          copy, seconds behind, and the service can be forked there.
        </EmptyState>
      ) : (
        <Stack gap="xs">
          {secondary.map((location) => (
            <LocationRow
              key={location.cloud}
              location={location}
              menu={
                <LocationMenu
                  location={location}
                  ask={setAsked}
                  resume={() => act("Copying goes on", () => change(location, { paused: false }))}
                  undo={() => act(`${location.cloud} is enabled again`, () => setClouds([...wanted, location.cloud]))}
                />
              }
            />
          ))}
        </Stack>
      )}
      {(asked?.what === "add" || asked?.what === "change") && (
        <LocationDialog
          project={project}
          protection={protection}
          replaced={asked.what === "change" ? asked.location.cloud : undefined}
          save={async (cloud) => {
            const kept = wanted.filter((each) => asked.what === "add" || each !== asked.location.cloud);
            await setClouds([...kept, cloud]);
            done(`Backups are being copied to ${cloud}`);
          }}
          close={close}
        />
      )}
      {asked?.what === "disable" && (
        <Confirm
          title={`Disable ${asked.location.cloud}`}
          action="Disable"
          name={name}
          run={async () => {
            await setClouds(wanted.filter((cloud) => cloud !== asked.location.cloud));
            done(`${asked.location.cloud} is disabled; its copies stay for a grace time`);
          }}
          close={close}
        >
          <Text size="sm">
            Nothing more is copied there, and the copies are deleted after the grace time. Until then this can be undone
            without copying again.
          </Text>
        </Confirm>
      )}
      {asked?.what === "pause" && (
        <PauseDialog location={asked.location} run={(body) => change(asked.location, body)} close={close} />
      )}
      {asked?.what === "retention" && (
        <RetentionDialog location={asked.location} run={(body) => change(asked.location, body)} close={close} />
      )}
    </Card>
  );
}

function wantedClouds(service: Service | undefined): readonly string[] {
  const clouds: unknown = service?.user_config["additional_backup_regions"];
  return Array.isArray(clouds) ? clouds.filter((cloud) => typeof cloud === "string") : [];
}

function LocationRow({ location, menu }: { readonly location: Location; readonly menu: ReactNode }) {
  const { cloud, paused, state, replication_lag_seconds: lag, rpo_seconds: rpo } = location;
  return (
    <Group justify="space-between" wrap="nowrap" align="flex-start" gap="sm">
      <div style={{ minWidth: 0 }}>
        <Group gap="xs">
          <Text fw={600}>{cloud}</Text>
          {paused && (
            <Badge variant="outline" color="gray">
              paused
            </Badge>
          )}
          {state !== "active" && (
            <Badge variant="outline" color="gray">
              {state}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {state === "deleting" ? (
            <>
              copies go <Moment at={location.delete_after} />; until then this can be undone
            </>
          ) : (
            `lag ${lag === null ? "–" : durationText(lag)} · data at risk ${rpo === null ? "–" : durationText(rpo)} · kept ${location.retention_days} days · ${location.complete_backups} base backups`
          )}
        </Text>
        {(location.pause_reason ?? location.trouble) !== null && (
          <Text size="sm" c="var(--catching)">
            {location.pause_reason ?? location.trouble}
          </Text>
        )}
        {location.awaits.map((what) => (
          <Text key={what} size="sm" c="dimmed">
            {what}
          </Text>
        ))}
      </div>
      {menu}
    </Group>
  );
}

interface LocationMenuProps {
  readonly location: Location;
  readonly ask: (asked: Asked) => void;
  readonly resume: () => void;
  readonly undo: () => void;
}

function LocationMenu({ location, ask: open, resume, undo }: LocationMenuProps) {
  const may = useMay();
  if (location.state === "deleting") {
    if (!may("changeService")) return null;
    return (
      <Button size="xs" variant="default" onClick={undo}>
        Undo
      </Button>
    );
  }
  if (!may("changeService") || !may("changeLocation")) return null;
  return (
    <Group gap={6} wrap="nowrap">
      {location.paused ? (
        <Button size="xs" variant="default" onClick={resume}>
          Resume
        </Button>
      ) : (
        <Button size="xs" variant="default" onClick={() => open({ what: "pause", location })}>
          Pause
        </Button>
      )}
      <Menu position="bottom-end" withArrow>
        <Menu.Target>
          <Button size="xs" variant="default" px={8} aria-label={`More for ${location.cloud}`}>
            <IconDots size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => open({ what: "change", location })}>Edit: use another region…</Menu.Item>
          <Menu.Item onClick={() => open({ what: "retention", location })}>How long backups are kept…</Menu.Item>
          <Menu.Item color="red" onClick={() => open({ what: "disable", location })}>
            Disable…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

interface SmallDialogProps {
  readonly location: Location;
  readonly run: (body: object) => Promise<unknown>;
  readonly close: () => void;
}

function PauseDialog({ location, run, close }: SmallDialogProps) {
  const [reason, setReason] = useState("");
  return (
    <Confirm
      title={`Pause copying to ${location.cloud}`}
      action="Pause"
      run={async () => {
        await run({ paused: true, ...(reason === "" ? {} : { pause_reason: reason }) });
        done("Copying is paused");
      }}
      close={close}
    >
      {(refusal) => (
        <TextInput
          label="Why"
          error={refusal}
          description="Shown to everybody while it is paused"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          maxLength={500}
          data-autofocus
        />
      )}
    </Confirm>
  );
}

function RetentionDialog({ location, run, close }: SmallDialogProps) {
  const [days, setDays] = useState<number | string>(location.retention_days);
  return (
    <Confirm
      title={`How long backups are kept in ${location.cloud}`}
      action="Save"
      run={async () => {
        await run({ retention_days: typeof days === "number" ? days : null });
        done("It was changed");
      }}
      close={close}
    >
      {(refusal) => (
        <NumberInput
          label="Days"
          error={refusal}
          description="Empty: as the service's"
          min={1}
          max={3650}
          clampBehavior="none"
          value={days}
          onChange={setDays}
          data-autofocus
        />
      )}
    </Confirm>
  );
}
