import type { EngineName } from "../domain/engine-name.ts";
import { BtarError } from "../domain/errors.ts";
import type { SourceDriver } from "./engine.ts";
import type { LogReadingDriver } from "./log-reading.ts";
import type { ServerDriver } from "./server.ts";

/** All of one engine: the side that reads running databases, the one that runs and rebuilds servers, and what tells of log. */
export interface EngineDriver {
  readonly source: SourceDriver;
  readonly server: ServerDriver;
  readonly logReading: LogReadingDriver;
}

/** The engines of this btar. */
export class Engines {
  readonly #drivers: ReadonlyMap<string, EngineDriver>;

  constructor(drivers: Readonly<Partial<Record<EngineName, EngineDriver>>>) {
    this.#drivers = new Map(Object.entries(drivers));
  }

  get names(): readonly string[] {
    return [...this.#drivers.keys()];
  }

  /** @param engine as a service or a manifest has it */
  of(engine: string): EngineDriver {
    const driver = this.#drivers.get(engine);
    if (driver) return driver;
    throw new BtarError("UNSUPPORTED_FORMAT", {
      message: `"${engine}" is no engine that this btar knows`,
      hint: `it knows ${this.names.join(", ")}; a newer version of btar may know more`,
    });
  }
}
