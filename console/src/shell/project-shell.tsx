import { useQuery } from "@tanstack/react-query";
import { Outlet, useParams } from "@tanstack/react-router";
import { createContext, useContext } from "react";
import { useChanges } from "../api/changes.ts";
import { statusQuery } from "../api/queries.ts";
import { RegionBanner } from "./region-banner.tsx";

const Live = createContext(false);

/** Whether changes are told as they happen. */
export function useLive(): boolean {
  return useContext(Live);
}

/** What is around the pages of a project: news, and what is down. */
export function ProjectShell() {
  const { project } = useParams({ from: "/session/projects/$project" });
  const isLive = useChanges(project);
  const { data: status } = useQuery(statusQuery(project));
  return (
    <Live value={isLive}>
      {status && <RegionBanner project={project} status={status} />}
      <Outlet />
    </Live>
  );
}
