import { readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../../src", import.meta.url));

export interface SourceFile {
  /** Below `src`. */
  path: string;
  /** The folder of `src` that it is in. */
  room: string;
  text: string;
}

/** Every file of code in `src`. */
export const files: readonly SourceFile[] = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => ({
    path,
    room: path.slice(0, Math.max(path.indexOf("/"), 0)),
    text: readFileSync(resolve(source, path), "utf8"),
  }));

/** Strings in quotes stay as they are, whatever is in them; what looks like a comment in a template's text is one. */
export function withoutComments(text: string): string {
  const stringOrComment = /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;
  return text.replace(stringOrComment, (_, quoted: string | undefined) => quoted ?? "");
}

/** The modules that a file imports, re-exports, or imports at run time. */
export function importsOf(text: string): string[] {
  const statement =
    /\b(?:import|export)\b(?:[\w\s{},*]*?\bfrom)?\s*["']([^"']+)["']|\bimport\(\s*["'`]([^"'`]+)["'`]/g;
  return [...withoutComments(text).matchAll(statement)].flatMap(
    ([, named, dynamic]) => named ?? dynamic ?? [],
  );
}

/** The file that a relative import leads to, by its path below `src`. @param path the importing file's */
export function importedPath(path: string, specifier: string): string {
  return relative(source, resolve(source, dirname(path), specifier));
}

/** The files that a file imports, by their paths below `src`. */
export function importedFiles({ path, text }: Pick<SourceFile, "path" | "text">): string[] {
  return importsOf(text)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => importedPath(path, specifier));
}
