import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** Of the primary colour: white on 7, and 7 on white, are legible (AA). */
const sea: MantineColorsTuple = [
  "#e6f8fb",
  "#d2eef3",
  "#a5dde7",
  "#74cbda",
  "#4cbacf",
  "#2ba5bd",
  "#128ba3",
  "#0b7285",
  "#095e6e",
  "#044a57",
];

export const theme = createTheme({
  respectReducedMotion: true,
  primaryColor: "sea",
  primaryShade: { light: 7, dark: 7 },
  colors: { sea },
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace',
  headings: { fontWeight: "650" },
  defaultRadius: "md",
  cursorType: "pointer",
  focusRing: "auto",
});
