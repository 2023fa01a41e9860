import Type from "typebox";

/** One message of the stream of changes. */
export const change = Type.Object({
  services: Type.Array(Type.String(), { description: "Names of services that have changed, or are gone" }),
  clouds: Type.Boolean({ description: "A cloud went down or came up" }),
  jobs: Type.Boolean({ description: "Jobs were begun, went on, or ended" }),
  events: Type.Boolean({ description: "Something was written to the event log" }),
});
