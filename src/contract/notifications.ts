import Type from "typebox";
import { eventKinds, eventSeverities } from "../domain/event-kinds.ts";
import { closed, moment, nullable, nullableMoment, nullableText } from "./schema-parts.ts";

const name = Type.String({
  description: "Name: letters, digits, dashes, dots and underlines",
  pattern: "^[A-Za-z0-9][-._A-Za-z0-9]{0,63}$",
});

export const destinationPath = Type.Object({
  project: Type.String({ description: "Name of the project" }),
  destination: Type.String({ description: "Name of the destination" }),
});

const url = Type.String({
  description: "https, or http where the configuration allows the network",
  maxLength: 2000,
  pattern: "^https?://",
});
const secret = Type.String({
  description: "Signs what is sent; a random one by default",
  minLength: 16,
  maxLength: 256,
});
const addresses = Type.Array(Type.String({ maxLength: 254, pattern: "^[^\\s@<>,;\\p{Cc}]+@[^\\s@<>,;\\p{Cc}]+$" }), {
  description: "E-mail addresses",
  minItems: 1,
  maxItems: 20,
  uniqueItems: true,
});
const severities = Type.Array(Type.Enum([...eventSeverities]), {
  description: "Severities that are told; warning and error by default",
  minItems: 1,
  uniqueItems: true,
});
const eventTypes = nullable(
  Type.Array(Type.Enum([...eventKinds]), {
    description: "Kinds of events that are told; null: all",
    minItems: 1,
    uniqueItems: true,
  }),
);
const enabled = Type.Boolean({ description: "Whether anything is sent" });

const choices = {
  url: Type.Optional(url),
  secret: Type.Optional(nullable(secret)),
  addresses: Type.Optional(addresses),
  severities: Type.Optional(severities),
  event_types: Type.Optional(eventTypes),
  enabled: Type.Optional(enabled),
};

export const createDestinationBody = Type.Object(
  { name, type: Type.Enum(["webhook", "email"], { description: "How it is told" }), ...choices },
  closed,
);
export const updateDestinationBody = Type.Object(choices, closed);

const destination = Type.Object({
  name: Type.String({ description: "Name" }),
  type: Type.Enum(["webhook", "email"]),
  target: Type.String({ description: "Where it goes, without what may be a secret" }),
  severities: Type.Array(Type.String()),
  event_types: Type.Union([Type.Array(Type.String()), Type.Null()], { description: "Kinds of events; null: all" }),
  enabled,
  waiting_deliveries: Type.Integer({ description: "Events that are still to be told there" }),
  last_delivery_time: nullableMoment("When something was delivered last; null: not in the last 30 days"),
  create_time: moment("When it was made"),
});

export const destinationsAnswer = Type.Object({ destinations: Type.Array(destination) });
export const destinationAnswer = Type.Object({
  destination,
  secret: Type.Optional(Type.String({ description: "The random one that signs what is sent; shown this once" })),
});

const delivery = Type.Object({
  id: Type.String({ description: "The same in what is sent: delivery_id" }),
  event_id: nullableText("Of the event; null for a test"),
  event_type: nullableText("Of the event"),
  event_desc: nullableText("Of the event"),
  service_name: nullableText("Of the event"),
  state: Type.Enum(["waiting", "delivered", "failed"]),
  attempts: Type.Integer({ description: "So far" }),
  result: nullableText("What came of the last attempt"),
  next_attempt_time: nullableMoment("When it is tried again"),
  create_time: moment("When it was to be sent first"),
  finish_time: nullableMoment("When it was delivered, or given up"),
});

export const deliveriesQuery = Type.Object({
  limit: Type.Optional(Type.String({ description: "How many at most; 100 by default, up to 1000" })),
});
export const deliveriesAnswer = Type.Object({
  deliveries: Type.Array(delivery, { description: "Newest first; those that have ended are kept for 30 days" }),
});
export const deliveryAnswer = Type.Object({ delivery });
