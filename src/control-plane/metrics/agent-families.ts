import { type AgentFigures, operationBounds } from "../../domain/agent-figures.ts";
import type { ControlPlaneContext } from "../context.ts";
import { agentSilenceMs } from "../status/cloud-states.ts";
import type { Distribution, Family, Sample } from "./families.ts";

interface ToldAgent {
  readonly id: string;
  readonly cloud: string;
  readonly started_at: Date;
  readonly figures: AgentFigures;
}

/** What living agents tell of themselves and of the stores that they work with. */
export async function agentFamilies(
  context: ControlPlaneContext,
): Promise<{ readonly families: readonly Family[]; readonly distributions: readonly Distribution[] }> {
  const rows = await context.catalog.db
    .selectFrom("agent")
    .select(["id", "cloud", "started_at", "figures"])
    .where("seen_at", ">", new Date(context.clock.now().getTime() - agentSilenceMs))
    .orderBy("id")
    .execute();
  const agents = rows.flatMap(({ figures, ...agent }) => (figures ? [{ ...agent, figures }] : []));
  return {
    families: [...familiesOfProcesses(agents), failuresOfStores(agents)],
    distributions: [durationsOfStores(agents)],
  };
}

function familiesOfProcesses(agents: readonly ToldAgent[]): readonly Family[] {
  const each = (value: (agent: ToldAgent) => number): readonly Sample[] =>
    agents.map((agent) => ({ labels: { agent: agent.id, cloud: agent.cloud }, value: value(agent) }));
  return [
    {
      name: "btar_agent_cpu_seconds_total",
      help: "CPU time of the agent's process",
      type: "counter",
      samples: each(({ figures }) => figures.process.cpuSeconds),
    },
    {
      name: "btar_agent_resident_memory_bytes",
      help: "Memory of the agent's process",
      type: "gauge",
      samples: each(({ figures }) => figures.process.residentBytes),
    },
    {
      name: "btar_agent_heap_bytes",
      help: "Of it, JavaScript's heap in use",
      type: "gauge",
      samples: each(({ figures }) => figures.process.heapBytes),
    },
    {
      name: "btar_agent_busy_ratio",
      help: "Share of the time in which its main thread had work, lately",
      type: "gauge",
      samples: each(({ figures }) => figures.process.busyShare),
    },
    {
      name: "btar_agent_start_time_seconds",
      help: "When the agent was started",
      type: "gauge",
      samples: each(({ started_at }) => started_at.getTime() / 1000),
    },
  ];
}

function operationsOf(agents: readonly ToldAgent[]) {
  return agents.flatMap(({ id, cloud, figures }) =>
    Object.entries(figures.stores).flatMap(([store, operations]) =>
      Object.entries(operations).map(([operation, told]) => ({ labels: { agent: id, cloud, store, operation }, told })),
    ),
  );
}

function failuresOfStores(agents: readonly ToldAgent[]): Family {
  return {
    name: "btar_store_operation_failures_total",
    help: "Calls of an agent to the store of a cloud that failed",
    type: "counter",
    samples: operationsOf(agents).map(({ labels, told }) => ({ labels, value: told.failures })),
  };
}

function durationsOfStores(agents: readonly ToldAgent[]): Distribution {
  return {
    name: "btar_store_operation_seconds",
    help: "How long the store of a cloud took to answer an agent",
    bounds: operationBounds,
    samples: operationsOf(agents).map(({ labels, told: { count, seconds, within } }) => ({
      ...{ labels, count, sum: seconds, within },
    })),
  };
}
