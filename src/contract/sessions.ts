import Type from "typebox";
import { closed, moment, text } from "./schema-parts.ts";

export const newSessionBody = Type.Object({ email: text("E-mail"), password: text("Password") }, closed);

export const sessionAnswer = Type.Object({
  user_email: Type.String({ description: "E-mail, in lower case" }),
  expiry_time: moment("Until when the session holds"),
});
