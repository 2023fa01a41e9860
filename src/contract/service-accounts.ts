import Type from "typebox";
import { alwaysNull, closed, ignored, nullable, nullableText } from "./schema-parts.ts";

const newPassword = Type.String({
  description: "A random one by default",
  minLength: 8,
  maxLength: 256,
});

const authentication = Type.Optional(
  Type.Unknown({ description: "MySQL: caching_sha2_password, or nothing; without effect for others" }),
);

const accessControl = Type.Optional(
  nullable(
    Type.Object(
      {
        pg_allow_replication: Type.Optional(
          nullable(Type.Boolean({ description: "Always false: such a user could remove what keeps the log for btar" })),
        ),
      },
      closed,
    ),
  ),
);

export const createUserBody = Type.Object(
  {
    username: Type.String({
      description: "At most 63 letters, digits, - . _; 32 for MySQL",
      pattern: "^[_A-Za-z0-9][-._A-Za-z0-9]{0,62}$",
    }),
    access_control: accessControl,
    authentication,
  },
  closed,
);

export const updateUserBody = Type.Object(
  {
    operation: Type.Enum(["reset-credentials", "set-access-control"]),
    new_password: Type.Optional(nullable(newPassword)),
    access_control: accessControl,
    authentication,
  },
  closed,
);

export const createDatabaseBody = Type.Object(
  {
    database: Type.String({
      description: "At most 40 letters, digits, - and _",
      minLength: 1,
      maxLength: 40,
      pattern: "^[_A-Za-z0-9][-_A-Za-z0-9]*$",
    }),
    lc_collate: ignored,
    lc_ctype: ignored,
  },
  closed,
);

export const user = Type.Object({
  username: Type.String({ description: "Name" }),
  type: Type.Enum(["primary", "normal"], { description: "primary is the administrator" }),
  password: nullableText("As btar set it; null for who must not see it"),
  access_cert: alwaysNull,
  access_key: alwaysNull,
  access_cert_not_valid_after_time: alwaysNull,
  access_control: Type.Object({
    pg_allow_replication: Type.Optional(Type.Boolean({ description: "PostgreSQL: always false" })),
  }),
  authentication: Type.Optional(Type.String({ description: "MySQL: caching_sha2_password" })),
});

export const userAnswer = Type.Object({ user });
export const newUserAnswer = Type.Object({ user, message: Type.String({ description: "What was done" }) });

export const databasesQuery = Type.Object({
  maxItems: Type.Optional(Type.String({ description: "How many at most; all by default", pattern: "^[1-9]\\d{0,8}$" })),
  after: Type.Optional(Type.String({ description: "`next` of the answer before" })),
});

export const databasesAnswer = Type.Object({
  databases: Type.Array(
    Type.Object({
      database_name: Type.String({ description: "Name" }),
      lc_collate: Type.String({ description: "Order of texts" }),
      lc_ctype: Type.String({ description: "Classes of characters" }),
    }),
  ),
  next: nullableText("Where the next answer begins; null: that was all"),
});
