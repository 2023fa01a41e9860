import { Button, Select, Stack, Table, TextInput } from "@mantine/core";
import { IconFolders, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ask } from "../api/client.ts";
import { useMay } from "../api/may.ts";
import { cloudsQuery, projectsQuery } from "../api/queries.ts";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { EmptyState } from "../parts/empty-state.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";

/** All projects that one is a member of. */
export function Projects() {
  const projects = useQuery(projectsQuery);
  const may = useMay();
  const [isAdding, setAdding] = useState(false);
  return (
    <Page
      title="Projects"
      actions={
        may("createProject") && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            New project
          </Button>
        )
      }
    >
      <Card flush>
        <Loaded query={projects}>
          {(all) =>
            all.length === 0 ? (
              <EmptyState icon={<IconFolders size={36} />} title="You are a member of no project">
                An admin of a project can add you, by your e-mail.
              </EmptyState>
            ) : (
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Project</Table.Th>
                    <Table.Th>Default region</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {all.map(({ project_name, default_cloud }) => (
                    <Table.Tr key={project_name}>
                      <Table.Td>
                        <Link
                          to="/projects/$project"
                          params={{ project: project_name }}
                          style={{ color: "var(--mantine-color-anchor)" }}
                        >
                          {project_name}
                        </Link>
                      </Table.Td>
                      <Table.Td>{default_cloud}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            )
          }
        </Loaded>
      </Card>
      {isAdding && <NewProject close={() => setAdding(false)} />}
    </Page>
  );
}

function NewProject({ close }: { readonly close: () => void }) {
  const { data: clouds = [] } = useQuery(cloudsQuery);
  const [name, setName] = useState("");
  const [cloud, setCloud] = useState<string | null>(null);
  return (
    <Confirm
      title="New project"
      action="Create"
      run={async () => {
        await ask("POST", "/project", { project: name, ...(cloud === null ? {} : { cloud }) });
        done(`Project ${name} was created`);
      }}
      close={close}
    >
      {(refusal) => (
        <Stack>
          <TextInput
            label="Name"
            error={refusal}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <Select
            label="Default region"
            data={clouds.map(({ cloud_name }) => cloud_name)}
            value={cloud}
            onChange={setCloud}
            clearable
          />
        </Stack>
      )}
    </Confirm>
  );
}
