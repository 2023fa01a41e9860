import { join } from "node:path";
import { freePorts } from "../test/support/free-ports.ts";
import { installBtar } from "./installed-btar.ts";
import { MeasuredBtar } from "./measured-btar.ts";

/** Starts btar in a directory below the benchmark's, new or stopped before; `settings` are lines of btar.yaml. */
export type StartBtar = (name: string, settings?: readonly string[]) => Promise<MeasuredBtar>;

/** @param options.signal stops whatever was started */
export function btarStarter({
  directory,
  signal,
}: {
  readonly directory: string;
  readonly signal: AbortSignal;
}): StartBtar {
  let installing: Promise<string> | undefined;
  return async (name, settings = []) => {
    signal.throwIfAborted();
    const root = await (installing ??= installBtar(directory, signal));
    const [port] = await freePorts(1);
    const [firstServicePort] = await freePorts(100);
    const btar = await MeasuredBtar.start({ root, directory: join(directory, name), port, firstServicePort, settings });
    signal.addEventListener("abort", () => void btar[Symbol.asyncDispose](), { once: true });
    if (signal.aborted) await btar[Symbol.asyncDispose]();
    return btar;
  };
}
