import Type, { type Static, type TSchema } from "typebox";

/** For bodies: what is not declared is refused by name. */
export const closed = { additionalProperties: false } as const;

export function text(description: string, maxLength = 256) {
  return Type.String({ description, maxLength });
}

/** The schema, or null; as `type: […, "null"]`, which serializers take without trying alternatives. */
export function nullable<T extends TSchema>(schema: T) {
  const { type } = schema as { readonly type?: unknown };
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [type, "null"] });
}

export function nullableText(description: string) {
  return nullable(Type.String({ description }));
}

/** A moment: RFC 3339, UTC. */
export function moment(description: string) {
  return Type.String({ description: `${description}; RFC 3339, UTC` });
}

export function nullableMoment(description: string) {
  return nullable(moment(description));
}

/** A number of bytes. */
export function bytes(description: string) {
  return Type.Integer({ description: `${description}, bytes` });
}

/** An object of any keys and values. */
export function anyObject(description: string) {
  return Type.Record(Type.String(), Type.Unknown(), { description });
}

export function textsByName(description: string) {
  return Type.Record(Type.String(), Type.String(), { description });
}

/** Lists and fields that clients of the API expect, and btar has nothing for. */
export function alwaysEmpty() {
  return Type.Array(Type.Unknown(), { description: "Always empty" });
}

export const alwaysNull = Type.Null({ description: "Always null" });

/** What clients of the API send, and btar has no use for. */
export const ignored = Type.Optional(Type.Unknown({ description: "Taken for compatibility; without effect" }));

export const messageAnswer = Type.Object({ message: Type.String({ description: "What was done" }) });
