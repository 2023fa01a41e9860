import { Group, Text, TextInput } from "@mantine/core";
import { IconFileText, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { logsQuery } from "../../api/queries.ts";
import { Allowed } from "../../parts/allowed.tsx";
import { Card } from "../../parts/card.tsx";
import { EmptyState } from "../../parts/empty-state.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { momentText, utcText } from "../../words/times.ts";
import classes from "./service.module.css";

/** What the server has said last, for those who may read it. */
export function Logs() {
  return (
    <Allowed action="readServerLog">
      <ServerLog />
    </Allowed>
  );
}

/** Follows while its end is in sight. */
function ServerLog() {
  const { project, service } = useParams({ from: "/session/projects/$project/services/$service" });
  const logs = useQuery(logsQuery(project, service));
  const [wanted, setWanted] = useState("");
  const ref = useRef<HTMLDivElement>(null);
  const newest = logs.data?.at(-1);
  useEffect(() => {
    const box = ref.current;
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 200) box.scrollTop = box.scrollHeight;
  }, [newest?.time, newest?.msg]);
  return (
    <Card
      title="Log of the server"
      about="The newest 500 lines, a few seconds old"
      actions={
        <TextInput
          aria-label="Search the log"
          placeholder="Search"
          size="xs"
          leftSection={<IconSearch size={14} />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
      }
      flush
    >
      <Loaded query={logs} height={400}>
        {(lines) => {
          const found = lines.filter(({ msg }) => msg.toLowerCase().includes(wanted.toLowerCase()));
          return found.length === 0 ? (
            <EmptyState
              icon={<IconFileText size={36} />}
              title={lines.length === 0 ? "The server has said nothing yet" : "No line is like that"}
            >
              {lines.length === 0
                ? "Its lines come here a few seconds after it has said them."
                : "Search for something else."}
            </EmptyState>
          ) : (
            <div ref={ref} className={`mono ${classes["log"]}`} role="log" tabIndex={0} aria-label="Log">
              {found.map(({ time, msg }, index) => (
                <Group key={`${time} ${index}`} gap="sm" wrap="nowrap" align="flex-start">
                  <Text span inherit c="dimmed" style={{ flexShrink: 0 }} title={utcText(new Date(time))}>
                    {momentText(new Date(time))}
                  </Text>
                  <span>{msg}</span>
                </Group>
              ))}
            </div>
          );
        }}
      </Loaded>
    </Card>
  );
}
