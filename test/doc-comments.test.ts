import { describe, expect, test } from "vitest";
import { read, sources } from "./support/documents/markdown.ts";

/*
 * What the rules and the wire formats offer to the other rooms says what it is: every exported function has a doc comment,
 * and in the domain every type too. In the protocol a type is its schema's.
 */

const functions = /^export (?:async )?function\*? *(\w+)|^export const (\w+)[^=]*= (?:async )?(?:\(|\w+ =>)/;
const types = /^export (?:abstract )?(?:type|interface|class) (\w+)/;

/** The names of what is exported without a doc comment right before it; of an overloaded function the first signature counts. */
function undocumented(text: string, kinds: readonly RegExp[]): string[] {
  const lines = text.split("\n");
  const exported = lines.flatMap((line, i) => {
    const match = kinds.map((kind) => kind.exec(line)).find((found) => found !== null);
    return match
      ? [{ name: match[1] ?? match[2] ?? "", isDocumented: lines[i - 1]?.endsWith("*/") ?? false }]
      : [];
  });
  const documented = new Set(exported.filter(({ isDocumented }) => isDocumented).map(({ name }) => name));
  return exported.flatMap(({ name }) => (documented.has(name) ? [] : [name]));
}

describe("the check itself", () => {
  test.for([
    ["export function a(): void {}", ["a"]],
    ["/** Does a. */\nexport function a(): void {}", []],
    ["/** Something else. */\n\nexport async function a(): Promise<void> {}", ["a"]],
    ["// no doc comment\nexport function* a() {}", ["a"]],
    ["/** Does a. */\nexport function a(b: string): void;\nexport function a(b: number): void;", []],
    ["export const a = (b: number): number => b;", ["a"]],
    ["export const a: Action = async (b) => b;", ["a"]],
    ["export const a = 60 * second;", []],
    ["function a(): void {}", []],
    ["export interface A {}", ["A"]],
    ["/**\n * What a is.\n */\nexport type A = string;", []],
  ] as const)("of %j misses the comment of %j", ([text, missing]) => {
    expect(undocumented(text, [functions, types])).toEqual(missing);
  });
});

test.for([
  ["domain", [functions, types]],
  ["protocol", [functions]],
] as const)("what %s exports says what it is", ([room, kinds]) => {
  const files = sources.filter((path) => path.startsWith(`src/${room}/`) && path.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap((path) => undocumented(read(path), kinds).map((name) => `${path}: ${name}`))).toEqual(
    [],
  );
});
