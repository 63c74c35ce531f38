import type { PropsWithChildren } from "hono/jsx";

/** A placeholder for an empty list, with what to do about it. */
export function Empty({ what, children }: PropsWithChildren<{ what: string }>) {
  return (
    <div class="empty">
      <p>{what}</p>
      {children}
    </div>
  );
}
