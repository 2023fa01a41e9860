import { AvnError } from "./avn.ts";

export interface ConfigSchema {
  readonly type: string | readonly string[];
  readonly properties?: Readonly<Record<string, ConfigSchema>>;
  readonly patternProperties?: Readonly<Record<string, ConfigSchema>>;
  readonly items?: ConfigSchema;
}

/**
 * What the client makes of `-c KEY=VALUE` options: keys are dotted paths of the schema, values are read by its types.
 * @throws {AvnError} for a key that the schema does not have, or a value that it cannot read
 */
export function avnUserConfig(
  schema: ConfigSchema,
  options: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const known = flattened(schema, []);
  const config: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(options)) {
    const option = known.get(key);
    if (!option) throw new AvnError(`Unsupported option '${key}', available options: ${[...known.keys()].join(", ")}`);
    let leaf = config;
    for (const name of option.path.slice(0, -1)) leaf = (leaf[name] ??= {}) as Record<string, unknown>;
    leaf[option.path.at(-1) ?? key] = converted(option.schema, text);
  }
  return config;
}

interface Option {
  readonly path: readonly string[];
  readonly schema: ConfigSchema;
}

/** Nested objects become dotted names. A name with dots of its own stays one. */
function flattened(schema: ConfigSchema, path: readonly string[]): ReadonlyMap<string, Option> {
  const options = new Map<string, Option>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const here = [...path, name];
    if (!typesOf(property).includes("object")) options.set(here.join("."), { path: here, schema: property });
    else for (const [key, option] of flattened(property, here)) options.set(key, option);
  }
  return options;
}

function typesOf({ type }: ConfigSchema): readonly string[] {
  return typeof type === "string" ? [type] : type;
}

function converted(schema: ConfigSchema, text: string): unknown {
  const types = typesOf(schema);
  if (types.includes("string") || types.includes("object")) return text;
  if (types.includes("integer") && /^[+-]?(0[xX][\da-fA-F]+|0[oO][0-7]+|\d+)$/.test(text)) return Number(text);
  if (types.includes("number") && text !== "" && Number.isFinite(Number(text))) return Number(text);
  if (types.includes("boolean") && ["true", "false", "1", "0"].includes(text)) return text === "true" || text === "1";
  const { items } = schema;
  if (types.includes("array") && items && /^\[.*\]$/.test(text)) {
    // A list of texts and numbers reads the same in Python and JSON.
    return (JSON.parse(text) as readonly unknown[]).map((item) => converted(items, String(item)));
  }
  throw new AvnError(`Invalid value '${text}' for ${types.join(" or ")}`);
}
