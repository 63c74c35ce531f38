import type { PropsWithChildren } from "hono/jsx";

/** What is shown where there is nothing yet, with what to do about it. */
export function Empty({ what, children }: PropsWithChildren<{ what: string }>) {
  return (
    <div class="empty">
      <p>{what}</p>
      {children}
    </div>
  );
}
