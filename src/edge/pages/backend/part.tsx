import type { PropsWithChildren } from "hono/jsx";

/** A fragment that a stream sends, with the element that htmx puts it into. @param into an element's id */
export function Part({
  into,
  how = "innerHTML",
  children,
}: PropsWithChildren<{ into: string; how?: "innerHTML" | "innerMorph" | "beforeend" | "delete" }>) {
  return (
    <hx-partial hx-target={`#${into}`} hx-swap={how}>
      {children}
    </hx-partial>
  );
}
