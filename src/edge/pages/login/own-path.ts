import { pathOf } from "../elements/paths.ts";

/**
 * The path to go to after a login; never another site (open redirect). Browsers take `//…` and `/\…` for other
 * hosts, and `/..//…` resolves to one.
 */
export function ownPath(next: string): string {
  const base = "https://own.invalid";
  const url = next.startsWith("/") ? URL.parse(next, base) : null;
  const isOwn = url?.origin === base && !url.pathname.startsWith("//");
  return isOwn ? url.pathname + url.search : pathOf.services();
}
