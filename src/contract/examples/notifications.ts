import type { Static } from "typebox";
import type {
  createDestinationBody,
  deliveriesAnswer,
  deliveryAnswer,
  destinationAnswer,
  destinationsAnswer,
  updateDestinationBody,
} from "../notifications.ts";
import type { messageAnswer } from "../schema-parts.ts";

const ops: Static<typeof destinationAnswer>["destination"] = {
  name: "ops",
  type: "webhook",
  target: "https://hooks.example.test/…",
  severities: ["warning", "error"],
  event_types: null,
  enabled: true,
  waiting_deliveries: 0,
  last_delivery_time: "2026-03-01T10:15:00.000Z",
  create_time: "2026-03-01T10:00:00.000Z",
};

const delivery: Static<typeof deliveryAnswer>["delivery"] = {
  id: "0b7c1f66-5a4e-4f0a-8a53-5d5f0e6f9d2b",
  event_id: "4711",
  event_type: "cloud_down",
  event_desc: "cloud local-north is down: no agent answers",
  service_name: null,
  state: "waiting",
  attempts: 1,
  result: "https://hooks.example.test answered HTTP 503",
  next_attempt_time: "2026-03-01T10:15:08.000Z",
  create_time: "2026-03-01T10:15:00.000Z",
  finish_time: null,
};

export const destinationsExample: Static<typeof destinationsAnswer> = { destinations: [ops] };
export const destinationExample: Static<typeof destinationAnswer> = { destination: ops };
export const createDestinationBodyExample: Static<typeof createDestinationBody> = {
  name: "ops",
  type: "webhook",
  url: "https://hooks.example.test/services/T1/B2",
};
export const newDestinationExample: Static<typeof destinationAnswer> = {
  destination: ops,
  secret: "9cWk2mJ5u0XyQd8bN4rT7vZ1aF6hL3pE0sGqYwKxUiA",
};
export const updateDestinationBodyExample: Static<typeof updateDestinationBody> = { severities: ["error"] };
export const updatedDestinationExample: Static<typeof destinationAnswer> = {
  destination: { ...ops, severities: ["error"] },
};
export const deletedDestinationExample: Static<typeof messageAnswer> = { message: "deleted" };
export const deliveriesExample: Static<typeof deliveriesAnswer> = { deliveries: [delivery] };
export const triedDestinationExample: Static<typeof deliveryAnswer> = {
  delivery: {
    ...delivery,
    ...{ event_id: null, event_type: null, event_desc: null, state: "delivered", result: "HTTP 204" },
    ...{ next_attempt_time: null, finish_time: "2026-03-01T10:15:00.000Z" },
  },
};
