import { moreText } from "../domain/names.ts";

/** A cell: times as the API writes them; null, undefined and an empty text are shown as `-`. */
export type Cell = string | number | boolean | null | undefined;

/** What can drive a terminal, or turn a text around; but for line feeds and tabs. */
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Control characters shown as U+FFFD, so that a key or a note of another user carries no escape sequences to the terminal. */
export function printable(text: string): string {
  return text.replace(controls, "\ufffd");
}

/** JSON with the same characters as escapes. `JSON.stringify` leaves those beyond ASCII, of which terminals obey some. */
export function printableJson(json: string): string {
  return json.replace(controls, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A table with a line of headings; columns are as wide as their widest cell, two spaces apart. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return "none";
  return aligned([headings, ...rows]);
}

/** One object, a line for each of its fields. */
export function details(fields: Readonly<Record<string, Cell>>): string {
  return aligned(Object.entries(fields));
}

function aligned(rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(cellText));
  const widths: number[] = [];
  for (const row of texts) {
    for (const [i, text] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, [...text].length);
  }
  return texts
    .map((row) =>
      row
        .map((text, i) => padded(text, widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "-";
  return String(cell).replace(/\s+/g, " ");
}

/** `padEnd` counts UTF-16 units, of which some characters have two. */
function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(width - [...text].length, 0));
}

const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

/** An amount of bytes in the largest unit of which there is one, to a tenth. */
export function byteSize(bytes: number): string {
  const exponent = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), byteUnits.length - 1);
  return `${(bytes / 1024 ** exponent).toFixed(exponent === 0 ? 0 : 1)} ${byteUnits[exponent]}`;
}

/** Secrets that an answer carries once, with the hint to keep them. */
export function secrets(values: Readonly<Record<string, string>>): string {
  return `${details(values)}\n\nKeep this now: it is not shown again.`;
}

/** Names, and how many more there are. @param total those that were not given included */
export function namesText(names: readonly string[], total: number): string {
  return names.join(" ") + moreText(total - names.length);
}
