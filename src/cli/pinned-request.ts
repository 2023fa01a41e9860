import { request } from "node:https";

/** What is sent, and by when it must be answered. */
export interface PinnedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  /** PEM; nobody is talked to who cannot show it, or one that its authority vouches for. */
  readonly certificate: string;
}

/** Asks a server that is known by its certificate, not by a name: on the machine itself it is reached by address. */
export async function pinnedRequest(
  url: string,
  { method, headers, body, timeoutMs, certificate }: PinnedRequest,
): Promise<{ readonly status: number; readonly text: string }> {
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        ...{ method, headers, agent: false, signal: AbortSignal.timeout(timeoutMs) },
        ca: certificate,
        allowPartialTrustChain: true,
        checkServerIdentity: () => undefined,
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on("data", (part: Buffer) => parts.push(part));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
