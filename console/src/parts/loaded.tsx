import { Skeleton, Stack } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failure } from "./failure.tsx";

interface LoadedProps<T> {
  readonly query: UseQueryResult<T>;
  /** Height of what will be there, so that nothing jumps. */
  readonly height?: number;
  readonly children: (data: T) => ReactNode;
}

/** What a query has found; until then its place, or why it failed. */
export function Loaded<T>({ query, height = 240, children }: LoadedProps<T>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} again={() => void query.refetch()} />;
  return (
    <Stack aria-busy="true" aria-label="loading">
      <Skeleton height={height} radius="md" />
    </Stack>
  );
}
