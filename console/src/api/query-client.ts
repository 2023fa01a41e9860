import { QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client.ts";

let signedOut: () => void = () => undefined;

/** What to do when the session has ended. */
export function whenSignedOut(action: () => void): void {
  signedOut = action;
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) signedOut();
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      retryDelay: 1000,
      refetchOnWindowFocus: true,
    },
  },
});
