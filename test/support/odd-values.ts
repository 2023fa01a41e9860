/** Values that clients should not send, and those that schemas ask for. */
import fc from "fast-check";

/** The parts of JSON Schema that the API describes itself with. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonSchema[];
}

const oddText = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\n",
    "null",
    "%00",
    "../..",
    "'; drop table service; --",
    "\u202egnirts",
    "é̀",
    "🦆".repeat(70),
  ),
  fc.constantFrom("\u0000", "\ud800", "x".repeat(5000), "-1", "1e999", "${env}", "__proto__"),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 300 }),
);

const oddNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.5, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, -(2 ** 63), 1e21),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

/** `[[[…]]]`, or objects within objects. */
const deep = fc.tuple(fc.integer({ min: 2, max: 2000 }), fc.boolean()).map(([depth, isArray]) => {
  let value: unknown = 1;
  for (let at = 0; at < depth; at += 1) value = isArray ? [value] : { a: value };
  return value;
});

/** Anything that JSON can say, the unusual preferred. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: oddText },
  { weight: 3, arbitrary: oddNumber },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [null], [[]], { "": null }) },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }) },
);

const oddKey = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "", " ", "a.b", "\u0000", "plan ", "Plan"),
  fc.string({ unit: "binary", maxLength: 12 }),
);

/** What a schema asks for, mostly: some of it odd, some left out, and now and then a key that nobody knows. */
export function nearly(schema: JsonSchema, depth = 0): fc.Arbitrary<unknown> {
  const asked = depth > 4 ? oddValue : askedFor(schema, depth);
  return fc.oneof({ weight: depth === 0 ? 9 : 3, arbitrary: asked }, { weight: 1, arbitrary: oddValue });
}

function askedFor(schema: JsonSchema, depth: number): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((each) => askedFor(each, depth)));
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? ["object"]);
  return fc.oneof(...types.map((type) => ofType(type, schema, depth)));
}

function ofType(type: string, schema: JsonSchema, depth: number): fc.Arbitrary<unknown> {
  switch (type) {
    case "string":
      return fc.oneof(fc.constantFrom("a", "x1", "10.0.0.0/8", "2026-03-01T10:00:00Z", "local-south"), oddText);
    case "integer":
      return fc.integer({ min: clamped(schema.minimum, -9), max: clamped(schema.maximum, 9) });
    case "number":
      return fc.double({ min: clamped(schema.minimum, -9), max: clamped(schema.maximum, 9), noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(nearly(schema.items ?? {}, depth + 1), { maxLength: 4 });
    default:
      return objectOf(schema, depth);
  }
}

function objectOf(schema: JsonSchema, depth: number): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema;
  const known = Object.entries(properties).map(([key, property]) => [key, nearly(property, depth + 1)] as const);
  const [needed, others] = [true, false].map((isNeeded) =>
    known.filter(([key]) => required.includes(key) === isNeeded),
  );
  // A few of the others at a time: with all of them, something is always wrong, and it is always the first.
  const record = fc
    .subarray(others ?? [], { maxLength: Math.min(3, others?.length ?? 0) })
    .chain((some) => fc.record(Object.fromEntries([...(needed ?? []), ...some])));
  const surprise = fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.tuple(oddKey, oddValue) },
  );
  return fc.tuple(record, surprise).map(([value, more]) => {
    if (!more) return value;
    // As a parser would make it: `__proto__` is a key like any other.
    const [key, odd] = more;
    return Object.defineProperty({ ...value }, key, { value: odd, enumerable: true, configurable: true });
  });
}

function clamped(limit: number | undefined, otherwise: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, limit ?? otherwise));
}
