const stepMs = 10;

/**
 * How long something takes, in steps of 10 ms in which this process runs: while it, or the whole machine, stands still
 * in between, it makes none.
 */
export async function stepsOf(work: () => Promise<unknown>): Promise<number> {
  let steps = 0;
  const timer = setInterval(() => {
    steps += 1;
  }, stepMs);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return steps;
}
