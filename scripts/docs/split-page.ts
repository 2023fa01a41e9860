/** A part of a long page: what stands below one of its second headings. */
export interface Part {
  readonly title: string;
  /** With that heading as its first, and those below it one level up. */
  readonly markdown: string;
}

export interface SplitPage {
  /** The page's own title, and what stands before its parts. */
  readonly introduction: string;
  readonly parts: readonly Part[];
}

/** Cuts a page at its second headings; what looks like one in a block of code is none. */
export function splitPage(markdown: string): SplitPage {
  const introduction: string[] = [];
  const parts: { title: string; lines: string[] }[] = [];
  let isCode = false;
  for (const line of markdown.split("\n")) {
    if (line.trimStart().startsWith("```")) isCode = !isCode;
    const title = isCode ? undefined : /^## (.+)$/.exec(line)?.[1];
    if (title !== undefined) parts.push({ title, lines: [] });
    const raised = isCode ? line : line.replace(/^#(#+ )/, "$1");
    (parts.at(-1)?.lines ?? introduction).push(parts.length > 0 ? raised : line);
  }
  return {
    introduction: introduction.join("\n"),
    parts: parts.map(({ title, lines }) => ({ title, markdown: lines.join("\n") })),
  };
}
