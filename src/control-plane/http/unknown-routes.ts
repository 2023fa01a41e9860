import type { FastifyReply, FastifyRequest } from "fastify";
import { answerOf } from "./error-answer.ts";

/** Knows the paths of the API, to tell a wrong method from a wrong path. */
export class UnknownRoutes {
  readonly #paths = new Set<string>();

  add(route: { readonly url: string }): void {
    this.#paths.add(route.url);
  }

  /** Answers a request that no route takes. */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const path = (request.url.split("?")[0] ?? "").replace(/(?<=.)\/$/, "");
    const isKnown = [...this.#paths].some((url) => matches(url, path));
    const { status, answer } = isKnown
      ? answerOf(405, `${path} does not take ${request.method}`, "method_not_allowed")
      : answerOf(404, `There is no ${path}`, "not_found");
    return await reply.status(status).send(answer);
  }
}

/** @param url as routes name it: `/v1/project/:project` */
function matches(url: string, path: string): boolean {
  const [wanted, found] = [url.split("/"), path.split("/")];
  return wanted.length === found.length && wanted.every((part, index) => part.startsWith(":") || part === found[index]);
}
