/** A small line of the last values; null leaves a hole. */
export function Sparkline({
  values,
  label,
  color = "var(--mantine-color-anchor)",
}: {
  readonly values: readonly (number | null)[];
  readonly label: string;
  readonly color?: string;
}) {
  const [width, height] = [72, 22];
  const most = Math.max(10, ...values.map((value) => value ?? 0));
  const points = values.map((value, index) =>
    value === null
      ? undefined
      : `${((index / Math.max(1, values.length - 1)) * width).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`,
  );
  const lines = splitAtHoles(points);
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <line x1="0" y1={height - 1} x2={width} y2={height - 1} stroke="var(--line)" />
      {lines.map((line) => (
        <polyline
          key={line[0]}
          points={line.join(" ")}
          fill="none"
          stroke={color}
          strokeWidth="1.5"
          strokeLinejoin="round"
        />
      ))}
    </svg>
  );
}

function splitAtHoles(points: readonly (string | undefined)[]): readonly (readonly string[])[] {
  const lines: string[][] = [[]];
  for (const point of points) {
    if (point === undefined) lines.push([]);
    else lines.at(-1)?.push(point);
  }
  return lines.filter((line) => line.length > 1);
}
