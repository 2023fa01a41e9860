/** @param text such as `full,dense`; all of `parts` when there is none */
export function chosenParts<Part extends string>(text: string | undefined, parts: readonly Part[]): ReadonlySet<Part> {
  if (text === undefined) return new Set(parts);
  return new Set(
    text.split(",").map((name) => {
      const part = parts.find((candidate) => candidate === name.trim());
      if (part === undefined) throw new Error(`--only ${name}: choose of ${parts.join(", ")}`);
      return part;
    }),
  );
}
