import { parseArgs } from "node:util";
import { z } from "zod";

export const benchNames = [
  "spawn",
  "held-key",
  "pin",
  "resolve",
  "cost",
  "registry",
  "proxy",
  "first-byte",
  "pages",
  "scale",
] as const;
export type BenchName = (typeof benchNames)[number];

export const usage = `npm run bench -- [options]

  --seconds N       how long each run is measured (default 3)
  --rounds N        how often floor and subject take turns (default 5)
  --connections N   concurrent connections (default 16)
  --backends N      first-byte: backends of the process runtime, and half as many in docker (default 100)
  --share X         scale: how large the large state is, for quick runs (default 1)
  --only NAME       one of ${benchNames.join(", ")}
  --json            prints JSON instead of tables
`;

const count = z.coerce.number().int().positive();
const options = z.object({
  seconds: z.coerce.number().positive().max(60).default(3),
  rounds: count.max(100).default(5),
  connections: count.max(256).default(16),
  backends: count.max(10_000).default(100),
  share: z.coerce.number().positive().max(1).default(1),
  only: z.enum(benchNames).optional(),
  json: z.boolean().default(false),
});
export type Options = z.infer<typeof options>;

/** The options of a command line, or what is wrong with it. */
export function parseOptions(args: string[]): { ok: true; value: Options } | { ok: false; problem: string } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        seconds: { type: "string" },
        rounds: { type: "string" },
        connections: { type: "string" },
        backends: { type: "string" },
        share: { type: "string" },
        only: { type: "string" },
        json: { type: "boolean" },
      },
    });
    const parsed = options.safeParse(values);
    return parsed.success
      ? { ok: true, value: parsed.data }
      : { ok: false, problem: z.prettifyError(parsed.error) };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}
