import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const read = (path: string) => readFileSync(join(root, path), "utf8");
const below = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path));

/** Every file of `src` and `test`, by its path below the repository. */
export const sources = [...below("src"), ...below("test")];
export const documents = ["README.md", ...sources.filter((path) => path.endsWith(".md"))];

export interface Block {
  language: string;
  text: string;
}

const fence = /^```(\w*)\n([\s\S]*?)^```$/gm;

export function blocksOf(text: string): Block[] {
  return [...text.matchAll(fence)].map(([, language = "", block = ""]) => ({ language, text: block }));
}

/** A document without its code. */
export function proseOf(text: string): string {
  return text.replace(fence, "");
}

/** The anchor that a heading gets where Markdown is shown as pages. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

export function headingsOf(document: string): string[] {
  return [...proseOf(read(document)).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
}

/** Why a link of a document leads nowhere; null where it leads somewhere. */
export function linkProblem(document: string, target: string): string | null {
  if (/^[a-z]+:/.test(target)) return null;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? document : normalize(join(dirname(document), path));
  if (!existsSync(join(root, file))) return `${target} does not exist`;
  if (anchor === undefined) return null;
  return headingsOf(file).some((heading) => anchorOf(heading) === anchor)
    ? null
    : `${target}: no such heading`;
}

/** Paths that a document names in its prose: below the repository, or below the folder that the document is in. */
export function pathsNamedBy(document: string): string[] {
  return [...proseOf(read(document)).matchAll(/`([\w.-]+(?:\/[\w.-]+)*\/?)`/g)]
    .map(([, path = ""]) => path)
    .filter((path) => /^(src|test)\/|\.tsx?$|\.test\.ts$/.test(path) && !path.includes("…"));
}

/** Whether a path that a document names leads somewhere; a bare name may be that of any file. */
export const exists = (document: string, path: string) =>
  existsSync(join(root, path)) ||
  existsSync(join(root, dirname(document), path)) ||
  (!path.includes("/") && sources.some((source) => source.endsWith(`/${path}`)));
