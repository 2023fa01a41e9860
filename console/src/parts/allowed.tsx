import { IconLock } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { type Action, isOfProject, leastFor } from "../api/actions.ts";
import { useMay } from "../api/may.ts";
import { EmptyState } from "./empty-state.tsx";

/** A page for those who may do what it is for; others are told who may. */
export function Allowed({ action, children }: { readonly action: Action; readonly children: ReactNode }) {
  const may = useMay();
  if (may(action)) return children;
  return (
    <section className="card">
      <EmptyState icon={<IconLock size={36} />} title="Your role does not allow this">
        It takes {leastFor(action)}.{" "}
        {isOfProject(action)
          ? "An admin of the project can change your role, in its settings."
          : "One of them can make you one, too."}
      </EmptyState>
    </section>
  );
}
