import type { PropsWithChildren } from "hono/jsx";

/** A confirmation of what cannot be undone: a button that opens it. Works without scripts. */
export function Confirm({ summary, children }: PropsWithChildren<{ summary: string }>) {
  return (
    <details class="confirm">
      <summary>{summary}</summary>
      <div class="panel">{children}</div>
    </details>
  );
}
