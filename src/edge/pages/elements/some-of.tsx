import type { Child } from "hono/jsx";
import { moreText } from "../../../domain/names.ts";

/**
 * The first of many things in a line of text, and how many more there are.
 * @param total how many there are, where not all were given @param none where there is nothing
 */
export function SomeOf<T>({
  of,
  total = of.length,
  most,
  each,
  none,
}: {
  of: readonly T[];
  total?: number;
  most: number;
  each: (item: T) => Child;
  none: string;
}) {
  if (of.length === 0) return <>{none}</>;
  return (
    <>
      {of.slice(0, most).map((item, place) => (
        <>
          {place === 0 ? null : ", "}
          {each(item)}
        </>
      ))}
      {moreText(total - Math.min(of.length, most))}
    </>
  );
}

/** The same without marks, for what can only be text. @example someText(["a", "b", "c"], 2) // "a, b and 1 more" */
export function someText(of: readonly string[], most: number): string {
  return of.slice(0, most).join(", ") + moreText(of.length - most);
}
