import { IconDatabase } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import classes from "./shell.module.css";

export function Navigation({ project }: { readonly project: string | undefined }) {
  return (
    <nav className={classes["nav"]} aria-label="Main">
      {project !== undefined && (
        <>
          <div className={classes["section"]}>{project}</div>
          <Link
            to="/projects/$project"
            params={{ project }}
            activeOptions={{ exact: true }}
            className={classes["link"]}
          >
            <IconDatabase size={18} stroke={1.75} aria-hidden />
            Services
          </Link>
        </>
      )}
    </nav>
  );
}
