import { ActionIcon, Button, Menu, Progress, Table, Text } from "@mantine/core";
import { IconCircleCheck, IconClock, IconDots, IconLock, IconTrash, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Fragment, useState } from "react";
import { ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import type { Backup, Protection } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { ListTable } from "../../parts/list-table.tsx";
import { Moment } from "../../parts/moment.tsx";
import { act, done } from "../../parts/notify.ts";
import { bytesText } from "../../words/quantities.ts";

const firstShown = 50;

interface BackupTableProps {
  readonly project: string;
  readonly protection: Protection;
  readonly backups: readonly Backup[];
}

/** Base backups, where each is, and what can be done with it. */
export function BackupTable({ project, protection, backups }: BackupTableProps) {
  const [isAll, setAll] = useState(false);
  const [deleted, setDeleted] = useState<Backup>();
  const service = protection.service_name;
  const columns = [
    "Backup",
    "Size",
    ...protection.locations.map(({ cloud, role }) => (
      <Fragment key={cloud}>
        {cloud}
        <Text span size="xs" c="dimmed" fw={400} ml={6}>
          {role}
        </Text>
      </Fragment>
    )),
    undefined,
  ];
  const shown = isAll ? backups : backups.slice(0, firstShown);
  const url = (backup: Backup) => path`/project/${project}/service/${service}/backups/${backup.backup_name}`;
  if (backups.length === 0) {
    return (
      <Card title="Base backups">
        <EmptyState icon={<IconClock size={36} />} title="The first base backup has not begun">
          It is taken as soon as the service runs. “Back up now” takes another one at any time.
        </EmptyState>
      </Card>
    );
  }
  return (
    <Card title="Base backups" flush>
      <ListTable columns={columns} minWidth={760}>
        {shown.map((backup) => (
          <Table.Tr key={backup.backup_name}>
            <Table.Td>
              <Text size="sm" fw={600}>
                <Moment at={backup.backup_time} />{" "}
                {backup.kept && <IconLock size={14} aria-label="kept" style={{ verticalAlign: -2 }} />}
              </Text>
              <Text size="xs" c="dimmed">
                {reasons[backup.reason] ?? backup.reason}
                {backup.engine_version !== null && ` · ${backup.engine_version}`}
                {backup.kept && (backup.keep_until === null ? " · kept" : " · kept for now")}
              </Text>
            </Table.Td>
            <Table.Td>
              <Text size="sm">{bytesText(backup.data_size)}</Text>
              <Text size="xs" c="dimmed">
                {bytesText(backup.stored_size)} added
              </Text>
            </Table.Td>
            {protection.locations.map(({ cloud }) => (
              <Table.Td key={cloud}>
                <Place backup={backup} cloud={cloud} />
              </Table.Td>
            ))}
            <Table.Td ta="right">
              <BackupMenu
                project={project}
                service={service}
                backup={backup}
                url={url(backup)}
                remove={() => setDeleted(backup)}
              />
            </Table.Td>
          </Table.Tr>
        ))}
      </ListTable>
      {!isAll && backups.length > firstShown && (
        <Button variant="subtle" onClick={() => setAll(true)} m="sm">
          Show all {backups.length.toLocaleString("en")}
        </Button>
      )}
      {deleted && (
        <Confirm
          title="Delete a base backup"
          action="Delete it everywhere"
          name={deleted.backup_name}
          run={async () => {
            await ask("DELETE", url(deleted));
            done("The base backup is being deleted");
          }}
          close={() => setDeleted(undefined)}
        >
          <Text size="sm">
            It is deleted in all locations, and times that only it reaches cannot be restored any more. The last
            complete one of a location is never deleted this way.
          </Text>
        </Confirm>
      )}
    </Card>
  );
}

const reasons: Readonly<Record<string, string>> = {
  schedule: "scheduled",
  request: "asked for",
  first: "the first one",
  log_gap: "after a gap in the log",
};

function Place({ backup, cloud }: { readonly backup: Backup; readonly cloud: string }) {
  const here = backup.locations.find((location) => location.cloud === cloud);
  if (!here) return <Text c="dimmed">–</Text>;
  if (here.state === "copying") {
    const percent = here.total_bytes > 0 ? (here.done_bytes / here.total_bytes) * 100 : 0;
    return (
      <div style={{ minWidth: 120 }}>
        <Progress value={percent} size="sm" aria-label={`copied: ${Math.round(percent)} %`} mb={4} />
        <Text size="xs">
          {here.total_bytes === 0 ? "begins" : `${bytesText(here.done_bytes)} of ${bytesText(here.total_bytes)}`}
        </Text>
      </div>
    );
  }
  const { Icon, color } = placeLooks[here.state];
  return (
    <>
      <Text size="sm" style={{ display: "flex", alignItems: "center", gap: 6 }}>
        <Icon size={16} color={color} aria-hidden /> {here.state}
      </Text>
      <Text size="xs" c="dimmed" maw={260} lineClamp={2} title={here.trouble ?? undefined}>
        {here.trouble ??
          (here.expire_time === null ? (
            ""
          ) : (
            <>
              until <Moment at={here.expire_time} />
            </>
          ))}
      </Text>
    </>
  );
}

const placeLooks = {
  complete: { Icon: IconCircleCheck, color: "var(--safe)" },
  waiting: { Icon: IconClock, color: "var(--none)" },
  failed: { Icon: IconX, color: "var(--risk)" },
  deleting: { Icon: IconTrash, color: "var(--none)" },
} as const;

interface BackupMenuProps {
  readonly project: string;
  readonly service: string;
  readonly backup: Backup;
  readonly url: string;
  readonly remove: () => void;
}

function BackupMenu({ project, service, backup, url, remove }: BackupMenuProps) {
  const may = useMay();
  const complete = may("createService") ? backup.locations.filter(({ state }) => state === "complete") : [];
  if (complete.length === 0 && !may("keepBackup") && !may("deleteBackup")) return null;
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Actions for base backup ${backup.backup_name}`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {complete.map(({ cloud }) => (
          <Menu.Item
            key={cloud}
            component={Link}
            to={`/projects/${project}/services/${service}/fork`}
            search={{ from: cloud, backup: backup.backup_name } as never}
          >
            Fork from {cloud}
          </Menu.Item>
        ))}
        {complete.length > 0 && <Menu.Divider />}
        {may("keepBackup") &&
          (backup.kept ? (
            <Menu.Item onClick={() => act("It goes when its time comes", () => ask("PUT", url, { kept: false }))}>
              Release: let it expire
            </Menu.Item>
          ) : (
            <Menu.Item onClick={() => act("It is kept until it is released", () => ask("PUT", url, { kept: true }))}>
              Keep beyond its time
            </Menu.Item>
          ))}
        {may("deleteBackup") && (
          <Menu.Item color="red" onClick={remove}>
            Delete…
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
