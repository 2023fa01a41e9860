/** What agents tell of themselves with each sign of life, kept in the catalog for whoever watches. */
export interface AgentFigures {
  readonly process: {
    readonly cpuSeconds: number;
    readonly residentBytes: number;
    readonly heapBytes: number;
    /** Share of the time since the last sign of life in which its main thread had work, 0 to 1. */
    readonly busyShare: number;
  };
  /** By the cloud of the store, then by operation; since the agent was started. */
  readonly stores: Readonly<Record<string, Readonly<Record<string, OperationFigures>>>>;
}

/** How an operation of a store went. */
export interface OperationFigures {
  readonly count: number;
  readonly seconds: number;
  readonly failures: number;
  /** How many took at most as long as each of `operationBounds`; each includes the ones before. */
  readonly within: readonly number[];
}

/** Seconds. */
export const operationBounds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] as const;
