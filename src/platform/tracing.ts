import { type Attributes, SpanStatusCode, trace } from "@opentelemetry/api";
import { describeError } from "../domain/errors.ts";

/** A piece of work that is told to whoever traces. Nothing happens when nobody does. */
export interface TracedWork {
  /** Something in it has begun: `copying packs`. */
  reached(what: string): void;
}

/** Does a work within a span, which the work that it does in turn belongs to; its error is the span's. */
export async function traced<T>(
  name: string,
  attributes: Attributes,
  work: (span: TracedWork) => Promise<T>,
): Promise<T> {
  return await trace.getTracer("btar").startActiveSpan(name, { attributes }, async (span) => {
    let reached = "";
    try {
      return await work({
        reached: (what) => {
          if (what !== reached) span.addEvent(what);
          reached = what;
        },
      });
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: describeError(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
