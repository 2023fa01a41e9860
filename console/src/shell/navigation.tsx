import {
  IconActivity,
  IconBell,
  IconDatabase,
  IconFolders,
  IconMap2,
  IconSettings,
  IconShieldCheck,
  IconUsers,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ComponentProps } from "react";
import type { Action } from "../api/actions.ts";
import { useMay, useRole } from "../api/may.ts";
import classes from "./shell.module.css";

const ofProject = [
  { to: "/projects/$project", title: "Services", Icon: IconDatabase, exact: true },
  { to: "/projects/$project/regions", title: "Regions", Icon: IconMap2, exact: false },
  { to: "/projects/$project/verification", title: "Verification", Icon: IconShieldCheck, exact: false },
  { to: "/projects/$project/activity", title: "Jobs and events", Icon: IconActivity, exact: false },
  { to: "/projects/$project/notifications", title: "Notifications", Icon: IconBell, exact: false },
  { to: "/projects/$project/settings", title: "Settings", Icon: IconSettings, exact: false },
] as const;

/** What the pages that not everybody may see are for. */
const needed: Readonly<Record<string, Action>> = { Notifications: "readNotifications" };

export function Navigation({ project }: { readonly project: string | undefined }) {
  const may = useMay();
  const role = useRole();
  return (
    <nav className={classes["nav"]} aria-label="Main">
      {project !== undefined && (
        <>
          <div className={classes["section"]}>
            {project}
            {role !== undefined && role !== "admin" && <div className={classes["role"]}>your role: {role}</div>}
          </div>
          {ofProject
            .filter(({ title }) => needed[title] === undefined || may(needed[title]))
            .map(({ to, title, Icon, exact }) => (
              <Link key={to} to={to} params={{ project }} activeOptions={{ exact }} className={classes["link"]}>
                <Icon size={18} stroke={1.75} aria-hidden />
                {title}
              </Link>
            ))}
        </>
      )}
      <div className={classes["section"]}>This installation</div>
      <Plain to="/projects" activeOptions={{ exact: true }}>
        <IconFolders size={18} stroke={1.75} aria-hidden />
        Projects
      </Plain>
      {may("readPeople") && (
        <Plain to="/people">
          <IconUsers size={18} stroke={1.75} aria-hidden />
          People
        </Plain>
      )}
    </nav>
  );
}

function Plain(props: ComponentProps<typeof Link>) {
  return <Link {...props} className={classes["link"]} />;
}
