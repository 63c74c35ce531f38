import type { PropsWithChildren } from "hono/jsx";

/** A state in one word, recognised by its text and its shape, not by colour alone. */
export function Badge({ kind, children }: PropsWithChildren<{ kind: "good" | "busy" | "bad" | "off" }>) {
  return <span class={`badge ${kind}`}>{children}</span>;
}
