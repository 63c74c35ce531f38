import { table } from "../table.ts";
import { medianMaxMs, type PageTime } from "./measure.ts";

/** How long each page takes, for people. */
export function pagesTable(times: readonly PageTime[]): string {
  const met = times.every(({ medianMs }) => medianMs <= medianMaxMs);
  return [
    table([
      ["page, to the last byte", "median ms", "max ms", "kB"],
      ...times.map(({ page, medianMs, maxMs, bytes }) => [
        // The name of an image is longer than everything else.
        page.replace(/sha256:0+/, "sha256:0…"),
        medianMs.toFixed(1),
        maxMs.toFixed(1),
        (bytes / 1000).toFixed(1),
      ]),
    ]),
    `aim: a median of at most ${medianMaxMs} ms: ${met ? "met" : "missed"}`,
  ].join("\n");
}
