import Type from "typebox";

/** What every refusal and failure looks like. */
export const refusal = Type.Object(
  {
    message: Type.String({ description: "What was wrong, the value, and what would be accepted" }),
    errors: Type.Array(
      Type.Object({
        message: Type.String({ description: "The same message" }),
        status: Type.Integer({ description: "The HTTP status" }),
        error_code: Type.Optional(Type.String({ description: "Stable word for what failed, such as already_exists" })),
      }),
    ),
  },
  { description: "A refusal or failure" },
);
