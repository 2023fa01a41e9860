import type { ServiceFields } from "./service-fields.ts";

/** A service as those see it who must not connect to it as they please: without passwords, and URIs that hold one. */
export function withoutSecrets<T extends Omit<ServiceFields, "backups">>(service: T): T {
  const { admin_password: _hidden, ...user_config } = service.user_config as Readonly<Record<string, unknown>>;
  return {
    ...service,
    service_uri: null,
    service_uri_params: withoutPassword(service.service_uri_params),
    connection_info: withoutUris(service.connection_info),
    users: service.users.map((user) => ({ ...user, password: null })),
    user_config,
  };
}

function withoutPassword({ password: _hidden, ...params }: Readonly<Record<string, string>>): Record<string, string> {
  return params;
}

/** Lists of URIs are empty, as they are while a service is built, and so is the one of MySQL's replica. */
function withoutUris<T extends object>(info: T): T {
  const entries = Object.entries(info).map(([key, value]) => {
    if (typeof value === "string") return [key, ""];
    if (!Array.isArray(value)) return [key, value];
    const params = value.filter((item): item is Record<string, string> => typeof item === "object" && item !== null);
    return [key, params.map(withoutPassword)];
  });
  return Object.fromEntries(entries) as T;
}
