import type { PropsWithChildren } from "hono/jsx";

/** A form of a page, sent to `path`; its button has `name="do"` and the form's name as its value. */
export function Form({
  visitor,
  path,
  children,
  label,
}: PropsWithChildren<{ visitor: { csrf: string }; path: string; label?: string }>) {
  return (
    <form method="post" action={path} aria-label={label}>
      <input type="hidden" name="csrf" value={visitor.csrf} />
      {children}
    </form>
  );
}
