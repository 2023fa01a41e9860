import { Alert, Button, Group, Stack, Table, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconPlugConnectedX, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ask, path } from "../../api/client.ts";
import { useMay } from "../../api/may.ts";
import { lostRangeQuery, serviceJobsQuery, serviceQuery } from "../../api/queries.ts";
import type { Job, LostRange, Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { CopyValue } from "../../parts/copy-value.tsx";
import { FactList } from "../../parts/fact-list.tsx";
import { JobProgressBar } from "../../parts/job-progress.tsx";
import { ListTable } from "../../parts/list-table.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Moment } from "../../parts/moment.tsx";
import { act } from "../../parts/notify.ts";
import { ServiceLink } from "../../parts/service-link.tsx";
import { bytesText, countText } from "../../words/quantities.ts";

/** What the source of a fork has committed that never reached the fork, and how it is got back. */
export function LostRangePage() {
  const { project, service: name } = useParams({ from: "/session/projects/$project/services/$service" });
  const lost = useQuery(lostRangeQuery(project, name));
  const service = useQuery(serviceQuery(project, name));
  const jobs = useQuery(serviceJobsQuery(project, name));
  const looking = jobs.data?.find(({ kind, finish_time }) => kind === "lost-range" && finish_time === null);
  return (
    <Loaded query={lost} height={420}>
      {(found) => (
        <Stack gap="lg">
          <Found project={project} lost={found} looking={looking} />
          {found.tables.some(isOfPeople) && <Changed lost={found} />}
          {(found.state === "present" || found.state === "unknown") && (
            <Extraction project={project} lost={found} service={service.data} />
          )}
        </Stack>
      )}
    </Loaded>
  );
}

interface FoundProps {
  readonly project: string;
  readonly lost: LostRange;
  readonly looking: Job | undefined;
}

function Found({ project, lost, looking }: FoundProps) {
  const may = useMay();
  const { service_name: fork, source_service_name: source } = lost;
  const canLook = may("examineLostRange") && lost.state !== "gone" && !looking;
  return (
    <Card
      title={`What ${fork} lacks of ${source}`}
      about="Committed there, and never in the copy that the fork was made from"
      actions={
        canLook && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconSearch size={14} />}
            onClick={() =>
              act("It is looked for", () => ask("POST", path`/project/${project}/service/${fork}/btar/lost_range`, {}))
            }
          >
            {lost.examined_at === null ? "Look now" : "Look again"}
          </Button>
        )
      }
    >
      <Outcome lost={lost} />
      {looking && <JobProgressBar job={looking} />}
      <FactList facts={factsOf(project, lost)} />
      {lost.gaps.map(({ what, objects }) => (
        <Alert key={what} color="red" variant="outline" icon={<IconAlertTriangle />} title="Log is missing">
          {what}
          {objects.map((key) => (
            <Text key={key} size="xs" className="mono" style={{ overflowWrap: "anywhere" }}>
              {key}
            </Text>
          ))}
        </Alert>
      ))}
    </Card>
  );
}

const outcomes = {
  none: { Icon: IconCircleCheck, color: "var(--safe)" },
  present: { Icon: IconAlertTriangle, color: "var(--catching)" },
  unknown: { Icon: IconSearch, color: "var(--none)" },
  unreachable: { Icon: IconPlugConnectedX, color: "var(--risk)" },
  gone: { Icon: IconPlugConnectedX, color: "var(--none)" },
} as const;

function Outcome({ lost }: { readonly lost: LostRange }) {
  const { Icon, color } = outcomes[lost.state];
  return (
    <Group gap={8} wrap="nowrap" align="flex-start" role="status">
      <Icon size={22} color={color} style={{ flexShrink: 0, marginTop: 1 }} aria-hidden />
      <Text fw={600}>{outcomeText(lost)}</Text>
    </Group>
  );
}

function outcomeText(lost: LostRange): string {
  const { state, service_name: fork, source_service_name: source, source_cloud_name: cloud, transactions } = lost;
  const missing = transactions === null ? "what" : countText(transactions, "transaction");
  switch (state) {
    case "none":
      return `Nothing was lost: ${fork} holds all that ${source} had committed`;
    case "present":
      return transactions === 0 ? `${fork} may lack something: log is missing` : `${missing} never reached ${fork}`;
    case "unknown":
      return `Nobody has looked yet what ${fork} lacks`;
    case "unreachable":
      return `${cloud} does not answer: it is looked as soon as it is back`;
    case "gone":
      return `There is no primary backup of ${source} any more: it cannot be told`;
  }
}

function factsOf(project: string, lost: LostRange): readonly (readonly [string, ReactNode])[] {
  const { first_commit_time: first, last_commit_time: last } = lost;
  const facts: (readonly [string, ReactNode] | undefined)[] = [
    [
      "Source",
      lost.source_deleted || lost.source_project !== project ? (
        `${lost.source_service_name}${lost.source_deleted ? ", which was deleted" : ` of project ${lost.source_project}`}`
      ) : (
        <ServiceLink project={project} name={lost.source_service_name} />
      ),
    ],
    ["Fork ends at", <Place key="end" text={lost.fork_end.text} at={lost.fork_last_commit_time} />],
    lost.store_end
      ? ["Stored up to", <Place key="stored" text={lost.store_end.text} at={lost.store_newest_commit_time} />]
      : undefined,
    [
      "Looked",
      <>
        <Moment at={lost.examined_at} />
        {lost.stored_since && "; more log was stored since: look again"}
      </>,
    ],
    first !== null && last !== null
      ? [
          "Committed",
          <>
            from <Moment at={first} /> to <Moment at={last} />
          </>,
        ]
      : undefined,
    ...asideOf(lost),
    lost.store_bytes === null
      ? undefined
      : ["Log", `${bytesText(lost.store_bytes)} in the store, ${bytesText(lost.server_bytes ?? 0)} on the server only`],
    lost.server_trouble === null ? undefined : ["Old server", `was not asked: ${lost.server_trouble}`],
    lost.directory === null ? undefined : ["Extracted to", <code key="directory">{lost.directory}</code>],
  ];
  return facts.filter((fact) => fact !== undefined);
}

/** What is to be known of some of the transactions. */
function asideOf(lost: LostRange): readonly (readonly [string, ReactNode])[] {
  const notes = [
    [lost.transactions_on_server_only, "only on the old server, not in its store"],
    [lost.transactions_after_fork, "committed after the fork was made: somebody wrote to both"],
    [lost.partial_transactions, "of which some changes could not be counted"],
    [lost.account_transactions, "more changed users, roles and rights alone"],
  ] as const;
  const told = notes.flatMap(([count, what]) => (count ? [`${count.toLocaleString("en")} ${what}`] : []));
  const left = lost.left_history_at && `the source went on from ${lost.left_history_at.text}, before the fork's end`;
  const all = left ? [...told, left] : told;
  if (all.length === 0) return [];
  return [["To know", all.map((line) => <div key={line}>{line}</div>)]];
}

function Place({ text, at }: { readonly text: string; readonly at: string | null }) {
  return (
    <>
      <code>{text}</code>
      {at !== null && (
        <>
          , its last transaction is of <Moment at={at} />
        </>
      )}
    </>
  );
}

type ChangedTable = LostRange["tables"][number];

function isOfPeople({ kind }: ChangedTable): boolean {
  return kind === "table";
}

function Changed({ lost }: { readonly lost: LostRange }) {
  return (
    <Card title="What they changed" about={lost.names_trouble ?? undefined} flush>
      <ListTable columns={["Table", "Inserted", "Updated", "Deleted", "Transactions"]} minWidth={560} spacing="xs">
        {lost.tables.filter(isOfPeople).map(({ name, inserts, updates, deletes, transactions }) => (
          <Table.Tr key={name}>
            <Table.Td className="mono" style={{ overflowWrap: "anywhere" }}>
              {name}
            </Table.Td>
            {[inserts, updates, deletes, transactions].map((count, index) => (
              <Table.Td key={index} className="number">
                {count.toLocaleString("en")}
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </ListTable>
      {(lost.more_tables ?? 0) > 0 && (
        <Text size="sm" c="dimmed" px="md" pb="md">
          and {countText(lost.more_tables ?? 0, "more table")}
        </Text>
      )}
    </Card>
  );
}

interface ExtractionProps {
  readonly project: string;
  readonly lost: LostRange;
  readonly service: Service | undefined;
}

/** Files are written on the agent's host, by the command: it may say where. */
function Extraction({ project, lost, service }: ExtractionProps) {
  const read =
    service?.service_type === "mysql" ? "mysqlbinlog -vv /srv/lost/binlog/*" : "pg_waldump /srv/lost/wal/SEGMENT";
  return (
    <Card
      title="Get it back"
      about={`Writes the log behind the fork's end, and a summary of each transaction, on the host of the agent of ${lost.source_cloud_name ?? "the source's cloud"}. Nothing is changed at the source.`}
    >
      <Stack gap={6}>
        <CopyValue
          label="Extract it"
          value={`btar fork lost-range ${lost.service_name} --project ${project} --extract /srv/lost`}
        />
        <CopyValue label="Summary" value="less /srv/lost/summary.txt" />
        <CopyValue label="All values" value={read} />
        <CopyValue
          label="The rows"
          value={`btar fork ${lost.source_service_name} ${lost.source_service_name}-old --project ${lost.source_project} --cloud ${lost.source_cloud_name ?? "CLOUD"} --wait`}
        />
      </Stack>
      <Text size="sm" c="dimmed">
        The last one forks all that the old service has, to copy rows from with your own tools. Do it soon: this log
        goes when the base backups before it have expired.
      </Text>
    </Card>
  );
}
