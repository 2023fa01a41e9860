import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { isAtLeast, type ProjectRole, projectRoles } from "../../../src/domain/roles.ts";
import { type Action, actions } from "./actions.ts";
import { meQuery } from "./queries.ts";

/** One's role in the project that is shown; undefined until it is known, and outside projects. */
export function useRole(): ProjectRole | undefined {
  const { project } = useParams({ strict: false });
  const { data: me } = useQuery(meQuery);
  if (!me || project === undefined) return undefined;
  return projectRoles.find((role) => role === me.project_membership[project]);
}

/** Tells whether one may do something in the project that is shown; what one may not do is not offered. */
export function useMay(): (action: Action) => boolean {
  const { data: me } = useQuery(meQuery);
  const role = useRole();
  return (action) => {
    const [, least] = actions[action];
    if (least === "super_admin") return me?.is_super_admin === true;
    return role !== undefined && isAtLeast(role, least);
  };
}
