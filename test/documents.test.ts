import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { commandProblem, commandsOf } from "./support/documents/commands.ts";
import {
  blocksOf,
  documents,
  exists,
  headingsOf,
  linkProblem,
  pathsNamedBy,
  proseOf,
  read,
  root,
  sources,
} from "./support/documents/markdown.ts";

/*
 * The documents stay true: their links lead somewhere, the files that they name exist, their commands can be typed,
 * and what comments cite is written down.
 */

const code = sources.filter((path) => /\.tsx?$/.test(path) && !/documents/.test(path));

describe("the check itself", () => {
  test.for([
    ["npm start -- --port 0", null],
    ["npm start -- --prot 0", "npm start has no option --prot"],
    ["npm run bench -- --only spawn", null],
    ["npm run nothing", "no script nothing"],
    ["npm test -- --project slow", "no test project slow"],
    ["npx vitest run test/nowhere", "no test file's path has test/nowhere in it"],
    ["npx slipway env pin hello/prod v2 --note x", null],
    ["npx slipway env pin hello/prod v2 --not x", "slipway pin has no option --not"],
    ["npx slipway env pni hello/prod v2", "slipway env pni hello/prod v2: no such command"],
    ["npx jamsocket service use-image hello/prod -i v2", null],
    ["npx jamsocket service use-images hello", "jamsocket service use-images hello: no such command"],
    ["npx jamsocket spawn hello --kye x", "jamsocket service:spawn has no option --kye"],
    ["npx nothing", "npx nothing: no such program"],
    ["make", "make: no such program"],
  ] as const)("%s: %s", ([line, problem]) => {
    expect(commandsOf({ language: "sh", text: line }).map(commandProblem)).toEqual([problem]);
  });

  test("sees commands that are joined, continued, preceded by variables, or shown behind a prompt", () => {
    const sh = { language: "sh", text: "A=1 npm ci && npm test   # all\nnpm run \\\n    check | cat\n" };
    expect(commandsOf(sh)).toEqual([["npm", "ci"], ["npm", "test"], ["npm", "run", "check"], ["cat"]]);
    const console = { language: "console", text: "$ npm test\nsome output\n" };
    expect(commandsOf(console)).toEqual([["npm", "test"]]);
  });

  test("sees links to files and headings that are not there", () => {
    expect(linkProblem("README.md", "src/README.md")).toBeNull();
    expect(linkProblem("README.md", "https://example.com/nothing")).toBeNull();
    expect(linkProblem("README.md", "#a-walk-through")).toBeNull();
    expect(linkProblem("README.md", "src/NOTHING.md")).toBe("src/NOTHING.md does not exist");
    expect(linkProblem("README.md", "#a-walk-trough")).toBe("#a-walk-trough: no such heading");
  });
});

describe("the documents", () => {
  test("are those of the rooms", () => {
    const rooms = [
      "src",
      "src/objects",
      "src/edge",
      "src/edge/pages",
      "src/protocol",
      "src/agent",
      "src/cli",
    ];
    expect(documents).toEqual(
      expect.arrayContaining([...rooms, "test", "test/bench"].map((room) => `${room}/README.md`)),
    );
  });

  test("begin with one of at most 10 KB", () => {
    expect(Buffer.byteLength(read("README.md"))).toBeLessThanOrEqual(10_000);
  });

  test.for(documents)("%s links to what there is", (document) => {
    const targets = [...proseOf(read(document)).matchAll(/\]\(([^)\s]+)\)/g)].map(
      ([, target = ""]) => target,
    );
    expect(targets.flatMap((target) => linkProblem(document, target) ?? [])).toEqual([]);
  });

  test.for(documents)("%s names files that there are", (document) => {
    expect(pathsNamedBy(document).filter((path) => !exists(document, path))).toEqual([]);
  });

  test.for(documents)("%s shows commands that can be typed", (document) => {
    const commands = blocksOf(read(document)).flatMap(commandsOf);
    expect(commands.flatMap((command) => commandProblem(command) ?? [])).toEqual([]);
  });
});

describe("what the code cites", () => {
  const promised = () =>
    [...read("src/objects/README.md").matchAll(/^(\d+)\. \*\*/gm)].map(([, number]) => Number(number));

  test("are ten invariants, numbered", () => {
    expect(promised()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("by an invariant's number is one of them", () => {
    const cited = code.flatMap((path) =>
      [...read(path).matchAll(/\binvariants? (\d+)(?: (?:to|and) (\d+))?/gi)].flatMap(([, one, other]) =>
        [one, other].flatMap((number) => (number === undefined ? [] : [Number(number)])),
      ),
    );
    expect(cited.length).toBeGreaterThan(5);
    expect(cited.filter((number) => !promised().includes(number))).toEqual([]);
  });

  test("by a document's name is in the repository, and so is the heading", () => {
    const missing = code.flatMap((path) =>
      [...read(path).matchAll(/([\w/]*README\.md)(?:, "([^"]+)")?/g)].flatMap(
        ([, document = "", heading]) => {
          const file = existsSync(join(root, document))
            ? document
            : relative(root, resolve(root, dirname(path), document));
          if (!existsSync(join(root, file))) return [`${path}: ${document}`];
          return heading === undefined || headingsOf(file).includes(heading) ? [] : [`${path}: ${heading}`];
        },
      ),
    );
    expect(missing).toEqual([]);
  });

  test("is no document from elsewhere", () => {
    const cites = /\b(DESIGN|WIRE|PLATFORM|STYLE|JAMSOCKET-API|REGISTRY\.md)\b(?=[,:. )]|$)/;
    const found = code.flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((line, i) => (cites.test(line) ? [`${path}:${i + 1}`] : [])),
    );
    expect(found).toEqual([]);
  });
});
