import type { Child, PropsWithChildren } from "hono/jsx";

/** A table that scrolls by itself where the screen is narrow, by keyboard too. */
export function Table({
  caption,
  head,
  children,
}: PropsWithChildren<{ caption: string; head: readonly Child[] }>) {
  return (
    <section class="scroll" tabindex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {head.map((cell) => (
              <th scope="col">{cell}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}
