import { Alert, Table, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { statusQuery } from "../api/queries.ts";
import { Card } from "../parts/card.tsx";
import { EmptyState } from "../parts/empty-state.tsx";
import { ListTable } from "../parts/list-table.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { Page } from "../parts/page.tsx";
import { ServiceLink } from "../parts/service-link.tsx";

/** What is known to be sound, and what is damaged. */
export function Verification() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const status = useQuery(statusQuery(project));
  return (
    <Page
      title="Verification"
      about="Everything that a restore needs is checked in every store; all data is read again from time to time."
    >
      <Loaded query={status} height={400}>
        {({ services }) => {
          const places = services.flatMap((service) => service.locations.map((location) => ({ service, location })));
          const damaged = places.filter(({ location }) => location.verification.damaged.length > 0);
          if (places.length === 0) {
            return (
              <section className="card">
                <EmptyState icon={<IconShieldCheck size={36} />} title="There is nothing to verify yet">
                  The first base backup of a service is verified as soon as it is complete.
                </EmptyState>
              </section>
            );
          }
          return (
            <>
              {damaged.map(({ service, location }) => (
                <Alert
                  key={`${service.service_name} ${location.cloud}`}
                  color="red"
                  variant="outline"
                  title={`${service.service_name}: ${location.verification.damaged.length} damaged in ${location.cloud}`}
                >
                  {location.verification.damaged.map(({ object, what, found_at }) => (
                    <Text key={object} size="sm" style={{ overflowWrap: "anywhere" }}>
                      <code>{object}</code>: {what}, found <Moment at={found_at} />
                    </Text>
                  ))}
                </Alert>
              ))}
              <Card flush>
                <ListTable
                  columns={["Service", "Location", "Everything is there", "All older data was read", "Proven up to"]}
                  minWidth={640}
                >
                  {places.map(({ service, location }) => (
                    <Table.Tr key={`${service.service_name} ${location.cloud}`}>
                      <Table.Td>
                        <ServiceLink project={project} name={service.service_name} />
                      </Table.Td>
                      <Table.Td>
                        {location.cloud}{" "}
                        <Text span size="xs" c="dimmed">
                          {location.role}
                        </Text>
                      </Table.Td>
                      <Table.Td>
                        <Moment at={location.verification.last_verified_at} />
                      </Table.Td>
                      <Table.Td>
                        <Moment at={location.verification.data_verified_at} />
                      </Table.Td>
                      <Table.Td>
                        <Moment at={location.verification.verified_until} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </ListTable>
              </Card>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
