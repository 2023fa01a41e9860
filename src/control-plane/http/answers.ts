import type { TSchema } from "typebox";
import { refusal } from "../../contract/refusals.ts";

/** The `response` of a route: its answer, and refusals. What the schema does not declare is not sent. */
export function answers<T extends TSchema>(schema: T) {
  return { 200: schema, default: refusal };
}
