/** Engines, as services are typed: `pg` is PostgreSQL. */
export const engineNames = ["pg", "mysql"] as const;
export type EngineName = (typeof engineNames)[number];

/** How people call them. */
export const productNames: Readonly<Record<EngineName, string>> = { pg: "PostgreSQL", mysql: "MySQL" };
