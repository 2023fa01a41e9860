import Type from "typebox";
import { nullable } from "./schema-parts.ts";

export const cloudsAnswer = Type.Object({
  clouds: Type.Array(
    Type.Object({
      cloud_name: Type.String({ description: "PROVIDER-REGION" }),
      cloud_description: Type.String({ description: "For people" }),
      geo_latitude: nullable(Type.Number({ description: "Degrees north; null: not known" })),
      geo_longitude: nullable(Type.Number({ description: "Degrees east; null: not known" })),
      geo_region: Type.String({ description: "Part of the world; empty when it is not known" }),
      provider: Type.String({ description: "What stands before the first - of the name" }),
      provider_description: Type.String({ description: "Name of the provider" }),
    }),
    { description: "In the order of the configuration" },
  ),
});
