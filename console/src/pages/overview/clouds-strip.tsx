import { Text } from "@mantine/core";
import { IconArrowRight, IconCircleCheckFilled, IconPlugConnectedX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Status } from "../../api/types.ts";
import { bytesText, countText, durationText } from "../../words/quantities.ts";
import classes from "./overview.module.css";
import { copiesOf } from "./sorting.ts";

/** The regions, which of them is down, and what is copied from where to where. */
export function CloudsStrip({ project, status }: { readonly project: string; readonly status: Status }) {
  return (
    <section aria-label="Regions">
      <div className={classes["clouds"]}>
        {status.clouds.map((cloud) => {
          const own = status.services.filter(({ cloud_name }) => cloud_name === cloud.cloud_name).length;
          const kept = status.services.filter((service) =>
            copiesOf(service).some((location) => location.cloud === cloud.cloud_name),
          ).length;
          return (
            <Link
              key={cloud.cloud_name}
              to="/projects/$project/regions"
              params={{ project }}
              className={`card ${classes["cloud"]}`}
              data-down={cloud.is_up ? undefined : true}
            >
              <div className={classes["cloudName"]}>
                {cloud.is_up ? (
                  <IconCircleCheckFilled size={18} color="var(--safe)" aria-hidden />
                ) : (
                  <IconPlugConnectedX size={18} color="var(--risk)" aria-hidden />
                )}
                {cloud.cloud_name}
              </div>
              <Text size="sm" c={cloud.is_up ? "dimmed" : "var(--risk)"} mt={4}>
                {cloud.is_up ? "up" : `down: ${cloud.trouble}`} · {countText(own, "service")} ·{" "}
                {countText(kept, "copy", "copies")}
              </Text>
            </Link>
          );
        })}
      </div>
      {status.links.length > 0 && <Links status={status} />}
    </section>
  );
}

/** What is copied from where to where: how much crosses, and how far behind it is. */
function Links({ status }: { readonly status: Status }) {
  return (
    <ul className={classes["links"]} aria-label="Traffic between regions">
      {status.links.map((link) => {
        const { from_cloud, to_cloud, copies, bandwidth_limit: limit } = link;
        const lag = lagBetween(status, link);
        return (
          <li key={`${from_cloud} ${to_cloud}`} className={classes["link"]}>
            <span className={classes["pair"]}>
              {from_cloud} <IconArrowRight size={14} aria-label="to" /> {to_cloud}
            </span>
            <span>
              {countText(copies, "copy", "copies")}
              {lag !== undefined && `, at most ${durationText(lag)} behind`}
            </span>
            <span>
              <strong className="number">{bytesText(link.bytes_per_second)}/s</strong> now
              {limit !== null && `, at most ${bytesText(limit)}/s`}
            </span>
            <span>
              {bytesText(link.bytes_last_hour)} in the last hour, {bytesText(link.bytes_last_day)} in a day
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** Of the copy that is furthest behind; undefined: none has anything yet. */
function lagBetween({ services }: Status, { from_cloud, to_cloud }: Status["links"][number]): number | undefined {
  const lags = services
    .filter(({ locations }) => locations.some(({ cloud, role }) => role === "primary" && cloud === from_cloud))
    .flatMap((service) => copiesOf(service))
    .flatMap(({ cloud, replication_lag_seconds: lag }) => (cloud === to_cloud && lag !== null ? [lag] : []));
  return lags.length === 0 ? undefined : Math.max(...lags);
}
