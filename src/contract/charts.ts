import Type from "typebox";

const reportPeriods = ["hour", "day", "week", "month", "year"] as const;
export type ReportPeriod = (typeof reportPeriods)[number];

export const reportPeriodField = Type.Optional(
  Type.Enum([...reportPeriods], { description: "How far back; an hour by default" }),
);

/** Values over time, in the shape of the API's charts. */
export const chart = Type.Object({
  hints: Type.Object({ title: Type.String({ description: "For people, with the unit" }) }),
  data: Type.Object({
    cols: Type.Array(
      Type.Object({
        label: Type.String({ description: "`time`, then what each number is of" }),
        type: Type.Enum(["date", "number"]),
      }),
    ),
    rows: Type.Array(Type.Array(Type.Unknown()), { description: "A time in UTC, then a number or null per column" }),
  }),
});
