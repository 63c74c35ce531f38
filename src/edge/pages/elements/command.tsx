import type { PropsWithChildren } from "hono/jsx";

/** A command to copy: one click selects the whole of it. */
export function Command({ children }: PropsWithChildren) {
  return (
    <pre class="command">
      <code>{children}</code>
    </pre>
  );
}
