import { pathOf } from "../elements/paths.ts";

/**
 * Where to go on: a path of ours, and nobody else's site. `//…` and `/\…` are others' to a browser, and `/..//…` comes
 * to the same.
 */
export function ownPath(next: string): string {
  const base = "https://own.invalid";
  const url = next.startsWith("/") ? URL.parse(next, base) : null;
  const isOwn = url?.origin === base && !url.pathname.startsWith("//");
  return isOwn ? url.pathname + url.search : pathOf.services();
}
