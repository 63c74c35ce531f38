/** How many rounds a soak test takes: what `ROUNDS` says, and as many as it takes by default where that is not set. */
export function soakRounds(byDefault: number): number {
  const rounds = Number(process.env.ROUNDS ?? byDefault);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("ROUNDS is a whole number from 1");
  return rounds;
}
