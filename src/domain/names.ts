import { namesInDetailsMax, namesInMessageMax } from "./limits.ts";

/** Names of accounts, services, environments and clusters: DNS labels of at most 40 characters. */
export const namePattern = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** What `namePattern` demands, for messages. */
export const nameRule = "1 to 40 characters of a-z, 0-9 and -, beginning and ending with a letter or digit";

/** A folder that outlives backends: one name, since a path through a folder that a backend writes to may lead anywhere. */
export const mountPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** What `mountPattern` demands, for messages. */
export const mountRule = "1 to 128 characters of a-z, A-Z, 0-9, ., _ and -, beginning with a letter or digit";

/** Account names that would make image paths (`/v2/<account>/…`) clash with API paths. */
export const reservedAccountNames: readonly string[] = ["service", "account", "backend"];

/**
 * Whether a text may name an account, a service, an environment or a cluster.
 * @example isName("hello-world") // true
 * @example isName("-hello") // false
 */
export function isName(text: string): boolean {
  return namePattern.test(text);
}

/** Levenshtein distance, for suggestions in error messages. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The candidates that look most like `wanted`, nearest first; ties keep the given order, and repetitions count once.
 * @param limit how many at most
 * @example nearest("prdo", ["staging", "prod"], 1) // ["prod"]
 */
export function nearest(wanted: string, candidates: readonly string[], limit = 5): string[] {
  return [...new Set(candidates)]
    .map((candidate, order) => ({ candidate, order, distance: editDistance(wanted, candidate) }))
    .sort((a, b) => a.distance - b.distance || a.order - b.order)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/**
 * Names for messages that say what there is: the first of many, and how many more there are.
 * @example listOf(["prod", "staging"]) // "`prod`, `staging`"
 * @example listOf([]) // "none"
 */
export function listOf(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const listed = names.slice(0, namesInMessageMax).map((name) => `\`${name}\``);
  return listed.join(", ") + moreText(names.length - listed.length);
}

/** What follows the first of many. @example moreText(3) // " and 3 more" */
export function moreText(more: number): string {
  return more > 0 ? ` and ${more} more` : "";
}

/**
 * The same for the details of a failure.
 * @example namesIn("services", ["a", "b"]) // { services: ["a", "b"], services_total: 2 }
 */
export function namesIn(field: string, names: readonly string[]): Record<string, string[] | number> {
  return { [field]: names.slice(0, namesInDetailsMax), [`${field}_total`]: names.length };
}
