import { Alert, Button, Code, MultiSelect, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../api/client.ts";
import { cloudsQuery } from "../api/queries.ts";
import { Allowed } from "../parts/allowed.tsx";
import { Card } from "../parts/card.tsx";
import { Failure } from "../parts/failure.tsx";
import { Page } from "../parts/page.tsx";
import { PlanChoice } from "../parts/plan-choice.tsx";
import { isServiceName, serviceNameError } from "../words/service-name.ts";

interface Finding {
  readonly check: string;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly fix: string;
}

/** A database that btar runs, or one that runs elsewhere already. */
export function NewService() {
  return (
    <Page title="New service">
      <Allowed action="createService">
        <NewServiceForm />
      </Allowed>
    </Page>
  );
}

function NewServiceForm() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const { data: clouds = [] } = useQuery(cloudsQuery);
  const [kind, setKind] = useState("managed");
  const [engine, setEngine] = useState("pg");
  const [name, setName] = useState("");
  const [cloud, setCloud] = useState<string | null>(null);
  const [copies, setCopies] = useState<string[]>([]);
  const [plan, setPlan] = useState("startup-4");
  const [uri, setUri] = useState("");
  const [error, setError] = useState<unknown>();
  const [findings, setFindings] = useState<readonly Finding[]>([]);
  const [isRunning, setRunning] = useState(false);
  const navigate = useNavigate();
  const provider = cloud?.split("-")[0];
  const others = clouds.filter((each) => each.provider === provider && each.cloud_name !== cloud);
  const isAttached = kind === "attached";
  const create = async () => {
    setRunning(true);
    setError(undefined);
    const user_config = copies.length === 0 ? {} : { additional_backup_regions: copies };
    try {
      if (isAttached) {
        const checked = await ask<{ findings: readonly Finding[] }>(
          "POST",
          path`/project/${project}/service/attach/preflight`,
          { uri },
        );
        setFindings(checked.findings);
        if (checked.findings.some(({ severity }) => severity === "error")) return setRunning(false);
        await ask("POST", path`/project/${project}/service/attach`, { service_name: name, cloud, uri, user_config });
        await navigate({ to: "/projects/$project/services/$service", params: { project, service: name } });
      } else {
        await ask("POST", path`/project/${project}/service`, {
          service_name: name,
          service_type: engine,
          plan,
          cloud,
          user_config,
        });
        await navigate({ to: "/projects/$project/services/$service/progress", params: { project, service: name } });
      }
    } catch (failure) {
      setError(failure);
      setRunning(false);
    }
  };
  return (
    <Card>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <Stack maw={560}>
          <SegmentedControl
            aria-label="Who runs the server"
            value={kind}
            onChange={setKind}
            data={[
              { value: "managed", label: "btar runs it" },
              { value: "attached", label: "It runs elsewhere" },
            ]}
          />
          <TextInput
            label="Name"
            description="A lower-case letter, then letters, digits and dashes"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={name === "" ? undefined : serviceNameError(name)}
            required
          />
          {isAttached ? (
            <TextInput
              label="URI"
              description="postgres://USER:PASSWORD@HOST/postgres?sslmode=verify-full or mysql://USER:PASSWORD@HOST/?ssl-mode=VERIFY_IDENTITY"
              value={uri}
              onChange={(event) => setUri(event.currentTarget.value)}
              autoComplete="off"
              required
            />
          ) : (
            <>
              <Select
                label="Engine"
                data={[
                  { value: "pg", label: "PostgreSQL" },
                  { value: "mysql", label: "MySQL" },
                ]}
                value={engine}
                onChange={(value) => setEngine(value ?? "pg")}
                allowDeselect={false}
              />
              <PlanChoice project={project} engine={engine} plan={plan} setPlan={setPlan} />
            </>
          )}
          <Select
            label={isAttached ? "Region of the primary backup" : "Region"}
            data={clouds.map(({ cloud_name }) => cloud_name)}
            value={cloud}
            onChange={(value) => {
              setCloud(value);
              setCopies([]);
            }}
            placeholder="Choose one"
            required
          />
          <MultiSelect
            label="Secondary backup location"
            description="A copy of the backups in another region of the same provider"
            data={others.map(({ cloud_name }) => cloud_name)}
            value={copies}
            onChange={setCopies}
            placeholder={
              copies.length > 0
                ? ""
                : cloud === null
                  ? "choose the region first"
                  : "none: not protected in a second region"
            }
          />
          {findings.map((finding) => (
            <Alert
              key={finding.check}
              variant="outline"
              color={finding.severity === "error" ? "red" : "orange"}
              title={finding.check}
            >
              <Text size="sm">{finding.message}</Text>
              <Code block mt={6}>
                {finding.fix}
              </Code>
            </Alert>
          ))}
          {error !== undefined && <Failure error={error} />}
          <Button type="submit" loading={isRunning} disabled={!isServiceName(name) || cloud === null}>
            {isAttached ? "Check and attach" : "Create"}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
