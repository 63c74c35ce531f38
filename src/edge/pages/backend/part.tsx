import type { PropsWithChildren } from "hono/jsx";

/** A part of what a stream sends, with the place on the page that it is put into. @param into an element's id */
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
