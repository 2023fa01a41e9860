import { Stack, Text } from "@mantine/core";
import type { Service } from "../../api/types.ts";
import { Card } from "../../parts/card.tsx";
import { CopyValue } from "../../parts/copy-value.tsx";

const titles: Readonly<Record<string, string>> = {
  host: "Host",
  port: "Port",
  user: "User",
  password: "Password",
  dbname: "Database",
  sslmode: "TLS",
  "ssl-mode": "TLS",
};

/** How to connect, to copy. */
export function ConnectionCard({ service }: { readonly service: Service }) {
  const order = Object.keys(titles);
  const params = Object.entries(service.service_uri_params).toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  if (params.length === 0) {
    return (
      <Card title="How to connect">
        <Text c="dimmed">Told as soon as the service runs.</Text>
      </Card>
    );
  }
  return (
    <Card title="How to connect" about={service.service_kind === "attached" ? "Where btar connects to" : undefined}>
      <Stack gap={6}>
        {service.service_uri !== null && <CopyValue label="URI" value={service.service_uri} isSecret />}
        {params.map(([key, value]) => (
          <CopyValue key={key} label={titles[key] ?? key} value={value} isSecret={key === "password"} />
        ))}
      </Stack>
    </Card>
  );
}
