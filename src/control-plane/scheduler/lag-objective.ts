/**
 * L4: whether a location has just fallen behind its objective, or caught up.
 * @param lag seconds, at the sample before and now
 */
export function objectiveChange(
  lag: { readonly before: number; readonly now: number },
  objectiveSeconds: number,
): "behind" | "caught-up" | undefined {
  const [wasBehind, isBehind] = [lag.before > objectiveSeconds, lag.now > objectiveSeconds];
  if (wasBehind === isBehind) return undefined;
  return isBehind ? "behind" : "caught-up";
}
