import {
  Button,
  Fieldset,
  Group,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { ask, path } from "../../api/client.ts";
import { leastFor } from "../../api/actions.ts";
import { useMay } from "../../api/may.ts";
import { serviceQuery } from "../../api/queries.ts";
import type { Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { Failure } from "../../parts/failure.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { done } from "../../parts/notify.ts";
import { PlanChoice } from "../../parts/plan-choice.tsx";
import { changesOf, type Setting, settingsOf, type UserConfigSchema, valueAt } from "./settings-of-schema.ts";

/** Plan and settings of a service. */
export function Configuration() {
  const { project, service: name } = useParams({ from: "/session/projects/$project/services/$service" });
  const service = useQuery(serviceQuery(project, name));
  return <Loaded query={service}>{(known) => <ConfigurationForms project={project} service={known} />}</Loaded>;
}

function ConfigurationForms({ project, service }: { readonly project: string; readonly service: Service }) {
  const type = useQuery({
    queryKey: ["service-type", project, service.service_type],
    queryFn: async () =>
      await ask<{ user_config_schema: UserConfigSchema }>(
        "GET",
        path`/project/${project}/service-types/${service.service_type}`,
      ),
    staleTime: 300_000,
  });
  return (
    <Stack gap="lg">
      <PlanForm project={project} service={service} />
      <Loaded query={type} height={500}>
        {({ user_config_schema: schema }) => <SettingsForm project={project} service={service} schema={schema} />}
      </Loaded>
    </Stack>
  );
}

function PlanForm({ project, service }: { readonly project: string; readonly service: Service }) {
  const [plan, setPlan] = useState(service.plan);
  const [error, setError] = useState<unknown>();
  const mayChange = useMay()("changeService");
  const save = async () => {
    try {
      await ask("PUT", path`/project/${project}/service/${service.service_name}`, { plan });
      setError(undefined);
      done("The plan is being changed");
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Card title="Plan" about={mayChange ? undefined : `Changes need ${leastFor("changeService")}.`}>
      <Fieldset variant="unstyled" disabled={!mayChange} m={0}>
        <Group align="flex-end">
          <PlanChoice project={project} engine={service.service_type} plan={plan} setPlan={setPlan} />
          {mayChange && (
            <Button disabled={plan === service.plan} onClick={() => void save()}>
              Change
            </Button>
          )}
        </Group>
      </Fieldset>
      {error !== undefined && <Failure error={error} />}
    </Card>
  );
}

interface SettingsFormProps {
  readonly project: string;
  readonly service: Service;
  readonly schema: UserConfigSchema;
}

function SettingsForm({ project, service, schema }: SettingsFormProps) {
  const [wanted, setWanted] = useState("");
  const [edited, setEdited] = useState<ReadonlyMap<string, unknown>>(new Map());
  const [failure, setFailure] = useState<string>();
  const [isSaving, setSaving] = useState(false);
  const [isAll, setAll] = useState(false);
  const mayChange = useMay()("changeService");
  const settings = settingsOf(schema);
  const words = wanted.toLowerCase();
  const shown = settings.filter(({ key, about }) => `${key} ${about}`.toLowerCase().includes(words));
  const isSet = ({ keys }: Setting) => valueAt(service.user_config, keys) !== undefined;
  const first =
    words === "" ? shown.filter((setting) => isSet(setting) || edited.has(setting.key)) : shown.slice(0, 60);
  const save = async () => {
    setSaving(true);
    try {
      await ask("PUT", path`/project/${project}/service/${service.service_name}`, {
        user_config: changesOf(settings, edited),
      });
      setEdited(new Map());
      setFailure(undefined);
      done("The settings are being applied");
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
    setSaving(false);
  };
  const isElsewhere = failure !== undefined && !first.some(({ keys }) => failure.includes(keys.at(-1) ?? ""));
  return (
    <Card
      title="Settings"
      about={`${settings.length} there are; at first those that differ from their defaults.`}
      actions={
        mayChange && (
          <Button disabled={edited.size === 0} loading={isSaving} onClick={() => void save()}>
            Save {edited.size > 0 ? edited.size : ""}
          </Button>
        )
      }
    >
      <TextInput
        aria-label="Search settings"
        placeholder="Search: work_mem, backup hour, …"
        leftSection={<IconSearch size={16} />}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
        maw={420}
      />
      {isElsewhere && <Failure error={failure} />}
      {first.length === 0 && (
        <Text c="dimmed">{words === "" ? "All settings are as by default." : "No setting is like that."}</Text>
      )}
      <Fieldset variant="unstyled" disabled={!mayChange} m={0}>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          {first.map((setting) => (
            <Field
              key={setting.key}
              setting={setting}
              value={edited.has(setting.key) ? edited.get(setting.key) : valueAt(service.user_config, setting.keys)}
              error={failure?.includes(setting.keys.at(-1) ?? "") ? failure : undefined}
              change={(value) => setEdited(new Map(edited).set(setting.key, value))}
            />
          ))}
        </SimpleGrid>
      </Fieldset>
      {words === "" && !isAll && (
        <Button variant="subtle" onClick={() => setAll(true)} style={{ alignSelf: "flex-start" }}>
          Show all {settings.length}
        </Button>
      )}
    </Card>
  );
}

interface FieldProps {
  readonly setting: Setting;
  readonly value: unknown;
  readonly error: string | undefined;
  readonly change: (value: unknown) => void;
}

/** null stands for the default. */
function Field({ setting, value, error, change }: FieldProps) {
  const common = { label: setting.key, description: setting.about, error };
  if (setting.kind === "boolean") {
    return (
      <Select
        {...common}
        data={["true", "false"]}
        value={typeof value === "boolean" ? String(value) : null}
        placeholder={setting.placeholder}
        clearable
        onChange={(text) => change(text === null ? null : text === "true")}
      />
    );
  }
  if (setting.kind === "choice") {
    return (
      <Select
        {...common}
        data={[...setting.choices]}
        value={typeof value === "string" ? value : null}
        placeholder={setting.placeholder}
        clearable
        onChange={change}
      />
    );
  }
  if (setting.kind === "number") {
    return (
      <NumberInput
        {...common}
        value={typeof value === "number" ? value : ""}
        placeholder={setting.placeholder}
        min={setting.min}
        max={setting.max}
        clampBehavior="none"
        onChange={(number) => change(typeof number === "number" ? number : null)}
      />
    );
  }
  if (setting.kind === "list") {
    const texts = Array.isArray(value)
      ? value.map((each) => (typeof each === "string" ? each : JSON.stringify(each)))
      : [];
    return <TagsInput {...common} value={texts} placeholder={setting.placeholder} onChange={change} />;
  }
  return (
    <TextInput
      {...common}
      value={typeof value === "string" ? value : ""}
      placeholder={setting.placeholder}
      onChange={(event) => change(event.currentTarget.value === "" ? null : event.currentTarget.value)}
    />
  );
}
