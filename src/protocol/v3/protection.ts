import { z } from "zod";
import { tokenRoles } from "../../domain/credentials/access.ts";
import { approvalsMax, changersNamedMax, gatesNamedMax } from "../../domain/limits.ts";
import { line, name, seconds } from "../primitives.ts";
import { freezeWindows } from "./windows.ts";

/** The name of an external check. */
export const checkName = line(64).min(1, "a check has a name");

/** A list without repetitions. */
function names<T extends z.ZodType<string>>(item: T, max: number) {
  return z
    .array(item)
    .min(1)
    .max(max)
    .refine((list) => new Set(list).size === list.length, "each is named once");
}

/** What a digest has to have shown before it may come into an environment. */
export const gates = z
  .strictObject({
    from: names(name, gatesNamedMax)
      .optional()
      .describe("The environments of which one (or all: match) has to resolve to it"),
    match: z.enum(["any", "all"]).optional().describe("any, the default"),
    min_ready: z.int().min(1).max(1_000_000).optional().describe("Sessions that became ready on it there"),
    max_failed_share: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Of the sessions there with an outcome, the share that may have failed"),
    min_samples: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe("Fewer say nothing of a share; 20 by default"),
    soak_seconds: seconds.optional().describe("How long it has to have been there without a break"),
    checks: names(checkName, gatesNamedMax).optional().describe("External checks that have to have passed"),
  })
  .superRefine((value, context) => {
    for (const field of ["match", "min_ready", "max_failed_share", "soak_seconds"] as const) {
      if (value[field] !== undefined && value.from === undefined) {
        context.addIssue({
          code: "custom",
          path: [field],
          message: "it takes `from`: the environments that it is about",
        });
      }
    }
    if (value.min_samples !== undefined && value.max_failed_share === undefined) {
      context.addIssue({ code: "custom", path: ["min_samples"], message: "it takes `max_failed_share`" });
    }
  })
  .meta({ id: "Gates" });

/** Who may change an environment, beside what roles allow. */
export const changers = z
  .strictObject({
    roles: names(z.enum(tokenRoles), tokenRoles.length).optional(),
    tokens: names(line(64), changersNamedMax).optional().describe("Ids of tokens"),
  })
  .refine(({ roles, tokens }) => roles !== undefined || tokens !== undefined, "it names roles or tokens")
  .meta({ id: "Changers" });

/** What keeps an environment from being changed by mistake. */
export const protection = {
  gates,
  changers,
  require_digest: z.boolean().describe("Only a digest may be pinned, and no tag followed"),
  allow_spawn_tag: z
    .boolean()
    .describe("false: a spawn may name neither another image nor another cluster; true by default"),
  follow: z
    .enum(["auto", "candidate"])
    .describe("candidate: a push moves it no more, and waits to be promoted; auto by default"),
  approvals: z.int().min(0).max(approvalsMax).describe("How many have to approve of a change; 0 by default"),
  windows: freezeWindows,
  emergency_rollback: z
    .boolean()
    .describe(
      "false: a return to what ran here takes gates, windows and approvals as any other change does; true by default",
    ),
} as const;
