import { ActionIcon, Button, Group, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { projectRoles } from "../../../src/domain/roles.ts";
import { ask, path } from "../api/client.ts";
import { useMay } from "../api/may.ts";
import { cloudsQuery, projectsQuery } from "../api/queries.ts";
import type { AuditEntry, DeletedService, Member } from "../api/types.ts";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { ListTable } from "../parts/list-table.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { act, done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";

/** Members, default region, deleted services, audit log and end of a project. */
export function Settings() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const may = useMay();
  const members = useQuery({
    queryKey: ["project", project, "members"],
    queryFn: async () => (await ask<{ users: readonly Member[] }>("GET", path`/project/${project}/users`)).users,
  });
  const deleted = useQuery({
    queryKey: ["project", project, "deleted"],
    queryFn: async () =>
      (await ask<{ services: readonly DeletedService[] }>("GET", path`/project/${project}/btar/deleted_services`))
        .services,
  });
  return (
    <Page title="Settings" about={`Of project ${project}`}>
      <Loaded query={members} height={300}>
        {(all) => (
          <Loaded query={deleted} height={300}>
            {(services) => (
              <>
                <Members project={project} all={all} />
                <DeletedServices project={project} all={services} />
              </>
            )}
          </Loaded>
        )}
      </Loaded>
      {may("readAudit") && <Audit project={project} />}
      {may("changeProject") && may("deleteProject") && <ProjectSettings project={project} />}
    </Page>
  );
}

interface OfProject {
  readonly project: string;
}

function Members({ project, all }: OfProject & { readonly all: readonly Member[] }) {
  const may = useMay();
  const [email, setEmail] = useState("");
  const [isAdding, setAdding] = useState(false);
  const url = (member: Member) => path`/project/${project}/user/${member.user_email}`;
  return (
    <Card
      title="Members"
      about="What each may do here. Super admins are members of all projects, and not listed."
      actions={
        may("addMember") && (
          <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
            Add a member
          </Button>
        )
      }
      flush
    >
      {all.length === 0 ? (
        <Text c="dimmed" p="md">
          Nobody but super admins.
        </Text>
      ) : (
        <Table verticalSpacing="xs" horizontalSpacing="md">
          <Table.Tbody>
            {all.map((member) => (
              <Table.Tr key={member.user_email}>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{member.user_email}</Table.Td>
                <Table.Td>
                  {may("changeMember") ? (
                    <Select
                      aria-label={`Role of ${member.user_email}`}
                      size="xs"
                      w={130}
                      data={[...projectRoles]}
                      value={member.member_type}
                      allowDeselect={false}
                      onChange={(role) =>
                        act("The role was changed", () => ask("PUT", url(member), { member_type: role }))
                      }
                    />
                  ) : (
                    member.member_type
                  )}
                </Table.Td>
                {may("removeMember") && (
                  <Table.Td ta="right">
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={`Remove ${member.user_email}`}
                      onClick={() =>
                        act(`${member.user_email} is no member any more`, () => ask("DELETE", url(member)))
                      }
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
      {isAdding && (
        <Confirm
          title="Add a member"
          action="Add"
          run={async () => {
            await ask("POST", path`/project/${project}/invite`, { user_email: email });
            done(`${email} is a member`);
          }}
          close={() => setAdding(false)}
        >
          {(refusal) => (
            <TextInput
              label="E-mail"
              error={refusal}
              description="Of a person who may sign in already; see People"
              type="email"
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
              data-autofocus
            />
          )}
        </Confirm>
      )}
    </Card>
  );
}

function DeletedServices({ project, all }: OfProject & { readonly all: readonly DeletedService[] }) {
  const navigate = useNavigate();
  const may = useMay();
  return (
    <Card title="Deleted services" about="Their backups stay for a grace time, in which they can be restored." flush>
      {all.length === 0 ? (
        <Text c="dimmed" px="md" pb="md">
          None.
        </Text>
      ) : (
        <Table verticalSpacing="xs" horizontalSpacing="md">
          <Table.Tbody>
            {all.map((service) => (
              <Table.Tr key={service.service_id}>
                <Table.Td>
                  {service.service_name}
                  <Text size="xs" c="dimmed">
                    deleted <Moment at={service.delete_time} />, backups until <Moment at={service.backups_until} />
                  </Text>
                </Table.Td>
                <Table.Td ta="right">
                  {may("undeleteService") && (
                    <Button
                      size="xs"
                      variant="default"
                      onClick={() =>
                        act(`${service.service_name} is being restored`, async () => {
                          const url = path`/project/${project}/service/${service.service_name}/btar/undelete`;
                          await ask("POST", url, { service_id: service.service_id });
                          await navigate({
                            to: "/projects/$project/services/$service/progress",
                            params: { project, service: service.service_name },
                          });
                        })
                      }
                    >
                      Restore
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}

function Audit({ project }: OfProject) {
  const audit = useQuery({
    queryKey: ["project", project, "audit"],
    queryFn: async () =>
      (await ask<{ entries: readonly AuditEntry[] }>("GET", `${path`/project/${project}/btar/audit`}?limit=100`))
        .entries,
  });
  return (
    <Card title="Audit log" about="Who asked for which change, the newest 100" flush>
      <Loaded query={audit} height={420}>
        {(entries) => (
          <ListTable columns={["When", "Who", "What", "Outcome"]} minWidth={640} maxHeight={420} spacing="xs">
            {entries.map((entry) => (
              <Table.Tr key={entry.id}>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  <Moment at={entry.time} />
                </Table.Td>
                <Table.Td>
                  {entry.actor}
                  <Text size="xs" c="dimmed">
                    {entry.address}
                  </Text>
                </Table.Td>
                <Table.Td>
                  <Text size="sm" className="mono" style={{ overflowWrap: "anywhere" }}>
                    {entry.method} {entry.route.replace("/v1/project/:project", "…")}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {[entry.service, entry.summary].filter((part) => part !== null && part !== "").join(": ")}
                  </Text>
                </Table.Td>
                <Table.Td>{entry.outcome}</Table.Td>
              </Table.Tr>
            ))}
          </ListTable>
        )}
      </Loaded>
    </Card>
  );
}

function ProjectSettings({ project }: OfProject) {
  const { data: projects = [] } = useQuery(projectsQuery);
  const { data: clouds = [] } = useQuery(cloudsQuery);
  const [isDeleting, setDeleting] = useState(false);
  const navigate = useNavigate();
  const known = projects.find(({ project_name }) => project_name === project);
  return (
    <Card title="Project">
      <Stack align="flex-start">
        <Select
          label="Default region"
          description="Of services that name none"
          data={clouds.map(({ cloud_name }) => cloud_name)}
          value={known?.default_cloud ?? null}
          allowDeselect={false}
          onChange={(cloud) =>
            act("The default region was changed", () => ask("PUT", path`/project/${project}`, { cloud }))
          }
        />
        <Group>
          <Button variant="default" c="var(--risk)" onClick={() => setDeleting(true)}>
            Delete the project…
          </Button>
        </Group>
      </Stack>
      {isDeleting && (
        <Confirm
          title="Delete the project"
          action="Delete"
          name={project}
          run={async () => {
            await ask("DELETE", path`/project/${project}`);
            done(`Project ${project} was deleted`);
            await navigate({ to: "/projects" });
          }}
          close={() => setDeleting(false)}
        >
          <Text size="sm">Only a project without services, and without backups of deleted ones, can be deleted.</Text>
        </Confirm>
      )}
    </Card>
  );
}
