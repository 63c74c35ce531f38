/** Labels of what belongs to Slipway are named below this. */
const prefix = "dev.slipway.";

export const labelNames = {
  /** The agent that a container belongs to, among those that share the engine. */
  scope: `${prefix}scope`,
  backend: `${prefix}backend`,
  /** Unique for each start, so that its container is found even if the engine's answer was lost. */
  start: `${prefix}start`,
} as const;

/** A backend's labels as a container has them; none of them passes for one of the runtime's own. */
export function containerLabels(
  own: Record<keyof typeof labelNames, string>,
  labels: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [prefix + name, value])),
    [labelNames.scope]: own.scope,
    [labelNames.backend]: own.backend,
    [labelNames.start]: own.start,
  };
}
