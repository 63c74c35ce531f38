import type { Child, PropsWithChildren } from "hono/jsx";
import { shortDigest } from "../../../domain/pins/images.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Visitor } from "../frame/page.ts";

/** A tag as it is, a digest cut short. */
export function shortImage(image: string): string {
  return image.includes(":") ? shortDigest(image) : image;
}

/** A digest, cut for people; the whole of it is in the title. */
export function Digest({ of, path }: { of: string; path?: string }) {
  const short = (
    <code class="digest" title={of}>
      {shortDigest(of)}
    </code>
  );
  return path === undefined ? short : <a href={path}>{short}</a>;
}

/** What somebody pins: a tag or a digest. */
export function ImageName({ of }: { of: string }) {
  return of.includes(":") ? <Digest of={of} /> : <code>{of}</code>;
}

/** A moment, in the one time zone that everybody who looks at it shares. */
export function Time({ at }: { at: number | string }) {
  const iso = typeof at === "number" ? isoTime(at) : at;
  return (
    <time datetime={iso} title={iso}>
      {iso.slice(0, 19).replace("T", " ")} UTC
    </time>
  );
}

/** A command to copy: one click selects the whole of it. */
export function Command({ children }: PropsWithChildren) {
  return (
    <pre class="command">
      <code>{children}</code>
    </pre>
  );
}

/** What is shown where there is nothing yet, with what to do about it. */
export function Empty({ what, children }: PropsWithChildren<{ what: string }>) {
  return (
    <div class="empty">
      <p>{what}</p>
      {children}
    </div>
  );
}

/** A form of a page, sent to `path`; its button has `name="do"` and the form's name as its value. */
export function Form({
  visitor,
  path,
  children,
  label,
}: PropsWithChildren<{ visitor: Pick<Visitor, "csrf">; path: string; label?: string }>) {
  return (
    <form method="post" action={path} aria-label={label}>
      <input type="hidden" name="csrf" value={visitor.csrf} />
      {children}
    </form>
  );
}

/** Asks before something that cannot be taken back. Closed it is one button; it works without scripts. */
export function Confirm({ summary, children }: PropsWithChildren<{ summary: string }>) {
  return (
    <details class="confirm">
      <summary>{summary}</summary>
      <div class="panel">{children}</div>
    </details>
  );
}

/** A state in one word, told by its text and its shape, not by colour alone. */
export function Badge({ kind, children }: PropsWithChildren<{ kind: "good" | "busy" | "bad" | "off" }>) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

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

/** Bytes as people read them: 1.5 MB. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

/** A duration as people read it: 340 ms, 1.5 s, 4 min. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
