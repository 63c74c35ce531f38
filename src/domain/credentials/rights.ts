import { fail, ok, type Result } from "../result.ts";

/** What a token may do beside its role, which has none of it: each is given when the token is made. */
export const tokenRights = ["approve", "check"] as const;
/** `approve`: approve and reject the changes of others. `check`: post what a check outside found of an image. */
export type TokenRight = (typeof tokenRights)[number];

/** Whoever acts, as far as rights go: absent where there are none. */
interface WithRights {
  rights?: readonly TokenRight[];
}

/** Whether a token has a right. Where it has it, `permits` decides: its role and what it is narrowed to hold as for all else. */
export function hasRight({ rights = [] }: WithRights, right: TokenRight): boolean {
  return rights.includes(right);
}

/** The same for what needs it. @returns `forbidden` without it, whatever the role */
export function checkRight(holder: WithRights, right: TokenRight): Result<null> {
  if (hasRight(holder, right)) return ok(null);
  return fail("forbidden", `this needs a token with the right \`${right}\``);
}
