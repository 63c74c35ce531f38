import { isoTime } from "../../../protocol/primitives.ts";

/** A time in UTC, so that all visitors see the same. */
export function Time({ at }: { at: number | string }) {
  const iso = typeof at === "number" ? isoTime(at) : at;
  return (
    <time datetime={iso} title={iso}>
      {iso.slice(0, 19).replace("T", " ")} UTC
    </time>
  );
}
