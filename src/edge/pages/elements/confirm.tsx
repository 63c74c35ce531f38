import type { PropsWithChildren } from "hono/jsx";

/** Asks before something that cannot be taken back. Closed it is one button; it works without scripts. */
export function Confirm({ summary, children }: PropsWithChildren<{ summary: string }>) {
  return (
    <details class="confirm">
      <summary>{summary}</summary>
      <div class="panel">{children}</div>
    </details>
  );
}
