import { isoTime } from "../../../protocol/primitives.ts";

/** A moment, in the one time zone that everybody who looks at it shares. */
export function Time({ at }: { at: number | string }) {
  const iso = typeof at === "number" ? isoTime(at) : at;
  return (
    <time datetime={iso} title={iso}>
      {iso.slice(0, 19).replace("T", " ")} UTC
    </time>
  );
}
