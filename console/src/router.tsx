import { createRootRoute, createRoute, createRouter, notFound, Outlet, redirect } from "@tanstack/react-router";
import { ApiError } from "./api/client.ts";
import { meQuery, projectsQuery } from "./api/queries.ts";
import { queryClient, whenSignedOut } from "./api/query-client.ts";
import { Failure } from "./parts/failure.tsx";
import { Login } from "./pages/login.tsx";
import { Overview } from "./pages/overview/overview.tsx";
import { NotThere } from "./shell/not-there.tsx";
import { ProjectShell } from "./shell/project-shell.tsx";
import { Shell } from "./shell/shell.tsx";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotThere });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  component: Login,
  validateSearch: ({ next }: Record<string, unknown>): { next?: string } =>
    typeof next === "string" && /^\/(?!\/)/.test(next) ? { next } : {},
});

/** Everything that needs a session. */
const session = createRoute({
  getParentRoute: () => root,
  id: "session",
  component: Shell,
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      throw redirect({ to: "/login", search: location.href === "/" ? {} : { next: location.href } });
    }
  },
  errorComponent: ({ error }) => <Failure error={error} again={() => window.location.reload()} />,
});

const home = createRoute({
  getParentRoute: () => session,
  path: "/",
  beforeLoad: async () => {
    const [first] = await queryClient.ensureQueryData(projectsQuery);
    if (!first) throw notFound();
    throw redirect({ to: "/projects/$project", params: { project: first.project_name } });
  },
});

const projectRoute = createRoute({
  getParentRoute: () => session,
  path: "/projects/$project",
  component: ProjectShell,
  beforeLoad: async ({ params }) => {
    const known = await queryClient.ensureQueryData(projectsQuery);
    if (!known.some(({ project_name }) => project_name === params.project)) throw notFound();
  },
  notFoundComponent: NotThere,
});

const overview = createRoute({ getParentRoute: () => projectRoute, path: "/", component: Overview });

const tree = root.addChildren([login, session.addChildren([home, projectRoute.addChildren([overview])])]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => <Failure error={error} again={reset} />,
});

whenSignedOut(() => {
  queryClient.clear();
  const { href, pathname } = router.state.location;
  if (pathname !== "/login") void router.navigate({ to: "/login", search: href === "/" ? {} : { next: href } });
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
