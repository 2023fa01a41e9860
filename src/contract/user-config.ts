/**
 * What the `user_config` of all engines has in common, in the dialect of JSON Schema that clients of the API read
 * (every property has a type, every array a type of its items).
 */

export interface ConfigProperty {
  readonly type: string | readonly string[];
  readonly title: string;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

export interface ConfigSchema {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly properties: Readonly<Record<string, ConfigProperty>>;
}

/** What a schema depends on. */
export interface ConfigSchemaOptions {
  /** Major versions that can run, oldest first. */
  readonly versions: readonly string[];
  readonly maxRegions: number;
}

const serviceName = "^([a-z][-a-z0-9]{0,63}|)$";

export function integer(title: string, minimum: number, maximum: number): ConfigProperty {
  return { type: "integer", title, minimum, maximum };
}

export function nullableInteger(title: string, minimum: number, maximum: number): ConfigProperty {
  return { type: ["integer", "null"], title, minimum, maximum };
}

export function choice(title: string, values: readonly string[]): ConfigProperty {
  return { type: "string", title, enum: values };
}

/** The key that names a service's major version. */
export function versionProperty(versions: readonly string[]): ConfigProperty {
  return { type: ["string", "null"], title: "Major version", enum: [...versions, null] };
}

/**
 * Keys that services of all engines have: where backups are copied to, when they are taken and how long they are kept,
 * who may connect, and what a fork comes from.
 * @param options.adminNameLength the longest name of a user that the engine knows
 */
export function commonProperties(options: {
  readonly maxRegions: number;
  readonly adminNameLength: number;
}): Readonly<Record<string, ConfigProperty>> {
  return {
    additional_backup_regions: {
      type: "array",
      title: "Additional clouds for backups",
      description: "Clouds that the service's backups are copied to, of the same provider; [] turns copying off",
      maxItems: options.maxRegions,
      items: { type: "string", title: "Cloud", maxLength: 256, pattern: "^[a-z0-9-]+$" },
    },
    ...adminProperties(options.adminNameLength),
    backup_hour: nullableInteger("Hour of the daily base backup, UTC", 0, 23),
    backup_minute: nullableInteger("Minute of the base backup", 0, 59),
    backup_interval_hours: {
      type: ["integer", "null"],
      title: "Hours between base backups",
      enum: [3, 4, 6, 8, 12, 24, null],
    },
    backup_retention_days: nullableInteger("Days that backups are kept", 1, 30),
    ip_filter: ipFilter,
    ...forkProperties,
  };
}

function adminProperties(nameLength: number): Readonly<Record<string, ConfigProperty>> {
  return {
    admin_username: {
      type: ["string", "null"],
      title: "Name of the administrator",
      createOnly: true,
      maxLength: nameLength,
      pattern: `^[_A-Za-z0-9][-._A-Za-z0-9]{0,${nameLength - 1}}$`,
    },
    admin_password: {
      type: ["string", "null"],
      title: "Password of the administrator; a random one by default",
      createOnly: true,
      _secure: true,
      minLength: 8,
      maxLength: 256,
      pattern: "^[a-zA-Z0-9-_]+$",
    },
  };
}

const ipFilter: ConfigProperty = {
  type: "array",
  title: "Networks that may connect",
  maxItems: 8000,
  items: {
    type: ["string", "object"],
    title: "Network in CIDR notation, or an object with network and description",
    maxLength: 43,
    required: ["network"],
    additionalProperties: false,
    properties: {
      network: { type: "string", title: "Network in CIDR notation", maxLength: 43 },
      description: { type: "string", title: "Description", maxLength: 1024 },
    },
  },
};

const forkProperties: Readonly<Record<string, ConfigProperty>> = {
  project_to_fork_from: {
    type: ["string", "null"],
    title: "Project of the service to fork from",
    createOnly: true,
    maxLength: 63,
    pattern: serviceName,
  },
  recovery_basebackup_name: {
    type: ["string", "null"],
    title: "Base backup to fork from; without recovery_target_time nothing later is replayed",
    createOnly: true,
    maxLength: 128,
    pattern: "^[a-zA-Z0-9-_:.]+$",
  },
  recovery_target_time: {
    type: ["string", "null"],
    title: "Time to fork at, with zone or in UTC",
    createOnly: true,
    maxLength: 40,
  },
  service_to_fork_from: {
    type: ["string", "null"],
    title: "Service to fork from",
    createOnly: true,
    maxLength: 64,
    pattern: serviceName,
  },
};
