/** What a plan gives a managed service. One server runs, whatever the plan: `nodeCount` is what clients of the API expect to read. */
export interface Plan {
  readonly name: string;
  readonly memoryMb: number;
  readonly cpuCount: number;
  readonly diskMb: number;
  readonly nodeCount: number;
  readonly maxConnections: number;
  /** Days that backups are kept unless the service says otherwise. */
  readonly retentionDays: number;
}

const families = [
  { family: "startup", nodeCount: 1, retentionDays: 2 },
  { family: "business", nodeCount: 2, retentionDays: 14 },
  { family: "premium", nodeCount: 3, retentionDays: 30 },
] as const;

const sizes = [4, 8, 16, 32, 64] as const;

/** All plans, smallest first. */
export const plans: readonly Plan[] = [
  {
    name: "hobbyist",
    memoryMb: 1024,
    cpuCount: 1,
    diskMb: 8 * 1024,
    nodeCount: 1,
    maxConnections: 25,
    retentionDays: 2,
  },
  ...families.flatMap(({ family, nodeCount, retentionDays }) =>
    sizes.map((gib) => ({
      name: `${family}-${gib}`,
      memoryMb: gib * 1024,
      cpuCount: Math.max(1, gib / 4),
      diskMb: gib * 20 * 1024,
      nodeCount,
      maxConnections: Math.min(1000, gib * 25),
      retentionDays,
    })),
  ),
];

/** The plan of that name, if there is one. */
export function findPlan(name: string): Plan | undefined {
  return plans.find((plan) => plan.name === name);
}
