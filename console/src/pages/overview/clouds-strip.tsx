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
      <Links status={status} />
    </section>
  );
}

function Links({ status }: { readonly status: Status }) {
  const links = new Map<string, { count: number; lag: number; limit: number | null }>();
  for (const service of status.services) {
    for (const copy of copiesOf(service)) {
      const key = `${service.cloud_name} ${copy.cloud}`;
      const link = links.get(key) ?? { count: 0, lag: 0, limit: copy.bandwidth_limit };
      links.set(key, { ...link, count: link.count + 1, lag: Math.max(link.lag, copy.replication_lag_seconds ?? 0) });
    }
  }
  if (links.size === 0) return null;
  return (
    <div className={classes["links"]}>
      {[...links].map(([key, { count, lag, limit }]) => {
        const [from, to] = key.split(" ");
        return (
          <span key={key} style={{ display: "inline-flex", alignItems: "center", gap: 6 }}>
            {from} <IconArrowRight size={14} aria-label="to" /> {to}: {countText(count, "copy", "copies")}, at most{" "}
            {durationText(lag)} behind
            {limit !== null && `, limited to ${bytesText(limit)}/s`}
          </span>
        );
      })}
    </div>
  );
}
