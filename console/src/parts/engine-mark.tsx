const looks: Readonly<Record<string, { readonly title: string; readonly color: string; readonly letters: string }>> = {
  pg: { title: "PostgreSQL", color: "#2b5c8a", letters: "PG" },
  mysql: { title: "MySQL", color: "#9c4a00", letters: "My" },
};

export function engineTitle(engine: string): string {
  return looks[engine]?.title ?? engine;
}

/** Which engine a service has. */
export function EngineMark({ engine, size = 30 }: { readonly engine: string; readonly size?: number }) {
  const { title, color, letters } = looks[engine] ?? { title: engine, color: "#495057", letters: "?" };
  return (
    <svg width={size} height={size} viewBox="0 0 30 30" role="img" aria-label={title} style={{ flexShrink: 0 }}>
      <title>{title}</title>
      <rect width="30" height="30" rx="8" fill={color} />
      <text x="15" y="19.5" textAnchor="middle" fontSize="12" fontWeight="700" fill="#fff">
        {letters}
      </text>
    </svg>
  );
}
