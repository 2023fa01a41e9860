import { Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Terms, and what is so of each. */
export function FactList({ facts }: { readonly facts: readonly (readonly [term: string, fact: ReactNode])[] }) {
  return (
    <dl
      style={{ margin: 0, display: "grid", gridTemplateColumns: "110px minmax(0, 1fr)", gap: "4px 12px", fontSize: 14 }}
    >
      {facts.map(([term, fact]) => (
        <div key={term} style={{ display: "contents" }}>
          <Text component="dt" size="sm" c="dimmed">
            {term}
          </Text>
          <dd style={{ margin: 0, overflowWrap: "anywhere" }}>{fact}</dd>
        </div>
      ))}
    </dl>
  );
}
