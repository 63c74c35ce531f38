import type { z } from "zod";
import { fail, ok, type Result } from "../domain/result.ts";

const problemsShown = 5;
const messageMaxCharacters = 1000;

/** Parses a value by a schema; the `bad_request` of a failure names each field. */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown, what: string): Result<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const problems = parsed.error.issues.flatMap(mostSpecific).map(describe);
  const shown = [...new Set(problems)].slice(0, problemsShown).join("; ");
  return fail("bad_request", `${what}: ${shown}`.slice(0, messageMaxCharacters));
}

type Issue = z.core.$ZodIssue;

/** Of a union's alternatives, the one that the value came closest to: its issue has the longest path. */
function mostSpecific(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const depth = (issues: readonly Issue[]) => Math.max(...issues.map(({ path }) => path.length));
  const [best] = issue.errors.filter((issues) => issues.length > 0).sort((a, b) => depth(b) - depth(a));
  if (!best || depth(best) === 0) return [issue];
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(mostSpecific);
}

function describe(issue: Issue): string {
  const path = issue.path.map(String).join(".");
  return path === "" ? issue.message : `\`${path}\`: ${issue.message}`;
}
