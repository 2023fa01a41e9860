import { IconPlugConnectedX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Status } from "../api/types.ts";
import { countText } from "../words/quantities.ts";
import classes from "./shell.module.css";

/** On every page while a region is down (R1). */
export function RegionBanner({ project, status }: { readonly project: string; readonly status: Status }) {
  const down = status.clouds.filter(({ is_up }) => !is_up);
  if (down.length === 0) return null;
  const affected = status.services.filter(({ cloud_name }) => down.some((cloud) => cloud.cloud_name === cloud_name));
  return (
    <div className={classes["banner"]} role="alert">
      <IconPlugConnectedX size={20} aria-hidden />
      <span>
        {down.map(({ cloud_name, trouble }) => `${cloud_name} is down: ${trouble}`).join("; ")}.{" "}
        {affected.length > 0 ? `${countText(affected.length, "service")} affected.` : "No service runs there."}
      </span>
      <Link to="/projects/$project/regions" params={{ project }}>
        What to do
      </Link>
    </div>
  );
}
