import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  notFound,
  Outlet,
  redirect,
} from "@tanstack/react-router";
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
    if (!first) throw redirect({ to: "/projects" });
    throw redirect({ to: "/projects/$project", params: { project: first.project_name } });
  },
});

const projects = createRoute({
  getParentRoute: () => session,
  path: "/projects",
  component: lazyRouteComponent(() => import("./pages/projects.tsx"), "Projects"),
});

const people = createRoute({
  getParentRoute: () => session,
  path: "/people",
  component: lazyRouteComponent(() => import("./pages/people.tsx"), "People"),
});

const account = createRoute({
  getParentRoute: () => session,
  path: "/account",
  component: lazyRouteComponent(() => import("./pages/account.tsx"), "Account"),
});

export const projectRoute = createRoute({
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

const regions = createRoute({
  getParentRoute: () => projectRoute,
  path: "/regions",
  component: lazyRouteComponent(() => import("./pages/regions.tsx"), "Regions"),
});

const activity = createRoute({
  getParentRoute: () => projectRoute,
  path: "/activity",
  component: lazyRouteComponent(() => import("./pages/activity.tsx"), "Activity"),
});

const verification = createRoute({
  getParentRoute: () => projectRoute,
  path: "/verification",
  component: lazyRouteComponent(() => import("./pages/verification.tsx"), "Verification"),
});

const notifications = createRoute({
  getParentRoute: () => projectRoute,
  path: "/notifications",
  component: lazyRouteComponent(() => import("./pages/notifications.tsx"), "Notifications"),
});

const settings = createRoute({
  getParentRoute: () => projectRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/settings.tsx"), "Settings"),
});

const newService = createRoute({
  getParentRoute: () => projectRoute,
  path: "/new",
  component: lazyRouteComponent(() => import("./pages/new-service.tsx"), "NewService"),
});

export const serviceRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/services/$service",
  component: lazyRouteComponent(() => import("./pages/service/service-shell.tsx"), "ServiceShell"),
});

const backups = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/backups/backups-page.tsx"), "BackupsPage"),
});

const connect = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/connect",
  component: lazyRouteComponent(() => import("./pages/service/connect.tsx"), "Connect"),
});

const configuration = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/configuration",
  component: lazyRouteComponent(() => import("./pages/service/configuration.tsx"), "Configuration"),
});

const metrics = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/metrics",
  component: lazyRouteComponent(() => import("./pages/service/metrics.tsx"), "Metrics"),
});

const logs = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/logs",
  component: lazyRouteComponent(() => import("./pages/service/logs.tsx"), "Logs"),
});

const serviceActivity = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/activity",
  component: lazyRouteComponent(() => import("./pages/service/service-activity.tsx"), "ServiceActivity"),
});

const lostRange = createRoute({
  getParentRoute: () => serviceRoute,
  path: "/lost-range",
  component: lazyRouteComponent(() => import("./pages/service/lost-range.tsx"), "LostRangePage"),
});

export interface ForkSearch {
  /** Cloud to fork from. */
  readonly from?: string;
  /** RFC 3339. */
  readonly at?: string;
  readonly backup?: string;
}

export const forkRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/services/$service/fork",
  component: lazyRouteComponent(() => import("./pages/fork/fork-page.tsx"), "ForkPage"),
  validateSearch: ({ from, at, backup }: Record<string, unknown>): ForkSearch => ({
    ...(typeof from === "string" ? { from } : {}),
    ...(typeof at === "string" ? { at } : {}),
    ...(typeof backup === "string" ? { backup } : {}),
  }),
});

export const progressRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/services/$service/progress",
  component: lazyRouteComponent(() => import("./pages/fork/progress-page.tsx"), "ProgressPage"),
});

const tree = root.addChildren([
  login,
  session.addChildren([
    home,
    projects,
    people,
    account,
    projectRoute.addChildren([
      overview,
      regions,
      activity,
      verification,
      notifications,
      settings,
      newService,
      forkRoute,
      progressRoute,
      serviceRoute.addChildren([backups, connect, configuration, metrics, logs, serviceActivity, lostRange]),
    ]),
  ]),
]);

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
