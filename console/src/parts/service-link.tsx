import { Link } from "@tanstack/react-router";

/** To the page of a service. */
export function ServiceLink({ project, name }: { readonly project: string; readonly name: string }) {
  return (
    <Link
      to="/projects/$project/services/$service"
      params={{ project, service: name }}
      style={{ color: "var(--mantine-color-anchor)" }}
    >
      {name}
    </Link>
  );
}
