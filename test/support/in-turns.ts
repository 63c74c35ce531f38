const inFlight = 16;

/** Does something for 0, 1, … up to `count`, a few at a time. Rejects with the first that fails. */
export async function inTurns(count: number, act: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}
