import { momentText, utcText } from "../words/times.ts";

/** A moment in the viewer's zone; hovering tells it in UTC. */
export function Moment({ at }: { readonly at: string | Date | null }) {
  if (at === null) return <>never</>;
  const date = new Date(at);
  return (
    <time dateTime={date.toISOString()} title={utcText(date)}>
      {momentText(date)}
    </time>
  );
}
