/** Runs work when its turn comes. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** Lets at most so many run at a time, the others in the order in which they came. */
export function turnsOf(atOnce: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < atOnce) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The turn is handed on, so that nobody takes it in between.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
