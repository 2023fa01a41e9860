import { Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Protection } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { ListTable } from "../../parts/list-table.tsx";
import { Moment } from "../../parts/moment.tsx";
import { ServiceLink } from "../../parts/service-link.tsx";
import { stateText } from "../../words/states.ts";

/** What was made from the backups of a service, and the way to what each lacks of it. */
export function Forks({ forks }: { readonly forks: Protection["forks"] }) {
  return (
    <Card title="Forks" about="Services that were made from these backups" flush>
      <ListTable columns={["Fork", "Region", "State", "Holds", "Never reached it"]} minWidth={560}>
        {forks.map((fork) => (
          <Table.Tr key={`${fork.project} ${fork.service_name}`}>
            <Table.Td>
              <ServiceLink project={fork.project} name={fork.service_name} />
            </Table.Td>
            <Table.Td>{fork.cloud_name}</Table.Td>
            <Table.Td>{stateText(fork.state)}</Table.Td>
            <Table.Td>
              <Target target={fork.target} />
            </Table.Td>
            <Table.Td>
              {fork.state === "REBUILDING" ? (
                <Text span size="sm" c="dimmed">
                  told when it runs
                </Text>
              ) : (
                <Link
                  to="/projects/$project/services/$service/lost-range"
                  params={{ project: fork.project, service: fork.service_name }}
                  style={{ color: "var(--mantine-color-anchor)" }}
                >
                  What {fork.service_name} lacks
                </Link>
              )}
            </Table.Td>
          </Table.Tr>
        ))}
      </ListTable>
    </Card>
  );
}

function Target({ target }: { readonly target: string }) {
  if (target === "latest") return "the latest there was";
  if (target === "backup-end") return "a base backup";
  const isTime = !Number.isNaN(Date.parse(target));
  return isTime ? <Moment at={target} /> : <code style={{ overflowWrap: "anywhere" }}>{target}</code>;
}
