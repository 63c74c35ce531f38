import { readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = resolve(root, "src");
const maxLines = 320;

type Room = "domain" | "protocol" | "objects" | "edge" | "agent" | "cli" | "local";
type ModuleKind = "package" | "node" | "cloudflare";

/**
 * What a room may import (src/README.md): which other rooms, and whether packages, which run anywhere, the
 * modules of Node, or those of the Worker's runtime.
 */
const rules: Record<Room, { rooms: Room[]; modules: ModuleKind[] }> = {
  domain: { rooms: [], modules: [] },
  protocol: { rooms: ["domain"], modules: ["package"] },
  objects: { rooms: ["domain", "protocol"], modules: ["package", "cloudflare"] },
  edge: { rooms: ["domain", "protocol", "objects"], modules: ["package", "cloudflare"] },
  agent: { rooms: ["domain", "protocol"], modules: ["package", "node"] },
  cli: { rooms: ["domain", "protocol", "agent"], modules: ["package", "node"] },
  local: {
    rooms: ["domain", "protocol", "objects", "edge", "agent", "cli"],
    modules: ["package", "node"],
  },
};

/** What would make the rules depend on anything but their arguments. */
const impure = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bfetch\b/,
  /\bcrypto\b/,
  /\bconsole\b/,
  /\bperformance\b/,
  /\bprocess\b/,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bglobalThis\b/,
  /\basync\b/,
];

interface SourceFile {
  path: string;
  room: string;
  text: string;
}

const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => ({
    path,
    room: path.slice(0, Math.max(path.indexOf("/"), 0)),
    text: readFileSync(resolve(source, path), "utf8"),
  }));

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** The modules that a file imports, re-exports, or imports at run time. */
function importsOf(text: string): string[] {
  const statement =
    /\b(?:import|export)\b(?:[\w\s{},*]*?\bfrom)?\s*["']([^"']+)["']|\bimport\(\s*["'`]([^"'`]+)["'`]/g;
  return [...withoutComments(text).matchAll(statement)].flatMap(
    ([, named, dynamic]) => named ?? dynamic ?? [],
  );
}

/** Why a file of a room may not import a module, or null where it may. */
function importProblem(path: string, room: Room, specifier: string): string | null {
  const { rooms, modules } = rules[room];
  if (!specifier.startsWith(".")) {
    const [scheme] = /^(node|cloudflare)(?=:)/.exec(specifier) ?? ["package"];
    return modules.some((kind) => kind === scheme) ? null : `${room} may not use ${specifier}`;
  }
  const target = relative(source, resolve(source, dirname(path), specifier));
  if (target === "../package.json") return room === "domain" ? "domain imports nothing outside itself" : null;
  const other = target.split("/")[0] ?? "";
  return other === room || rooms.some((name) => name === other)
    ? null
    : `${room} may not import from ${other}`;
}

/** The files that a file imports, by their paths below `src`. */
function importedFiles({ path, text }: Pick<SourceFile, "path" | "text">): string[] {
  return importsOf(text)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(source, resolve(source, dirname(path), specifier)));
}

/** The circles of a graph: its strongly connected components of more than one node (Tarjan's algorithm). */
function circlesOf(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const lower = (node: string, to: number) => lowest.set(node, Math.min(lowest.get(node) ?? to, to));
  function visit(node: string): void {
    order.set(node, order.size);
    lower(node, order.size - 1);
    open.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!order.has(next)) {
        visit(next);
        lower(node, lowest.get(next) ?? 0);
      } else if (open.includes(next)) lower(node, order.get(next) ?? 0);
    }
    if (lowest.get(node) !== order.get(node)) return;
    const circle = open.splice(open.indexOf(node));
    if (circle.length > 1 || (edges.get(node) ?? []).includes(node)) circles.push(circle.sort());
  }
  for (const node of edges.keys()) if (!order.has(node)) visit(node);
  return circles;
}

const isRoom = (name: string): name is Room => name in rules;

describe("the check itself", () => {
  test("sees every form of an import", () => {
    const text = [
      'import "a";',
      'import b from "b";',
      "import { c, type C } from 'c';",
      'import type { D } from "d";',
      'import * as e from "e";',
      'import f, {\n  g,\n} from "f";',
      'export * from "h";',
      'export { i } from "i";',
      'const j = await import("j");',
      '// import "no";',
      '/* import "no"; */',
      'const text = "import";',
    ].join("\n");
    expect(importsOf(text)).toEqual(["a", "b", "c", "d", "e", "f", "h", "i", "j"]);
  });

  test.for([
    ["domain/a.ts", "domain", "./b.ts", true],
    ["domain/a.ts", "domain", "../protocol/b.ts", false],
    ["domain/a.ts", "domain", "zod", false],
    ["domain/a.ts", "domain", "node:fs", false],
    ["protocol/v3/a.ts", "protocol", "../../domain/b.ts", true],
    ["protocol/a.ts", "protocol", "../objects/b.ts", false],
    ["protocol/a.ts", "protocol", "node:crypto", false],
    ["protocol/a.ts", "protocol", "cloudflare:workers", false],
    ["objects/a/a.ts", "objects", "../../edge/b.ts", false],
    ["objects/a/a.ts", "objects", "cloudflare:workers", true],
    ["edge/a.ts", "edge", "../objects/contract.ts", true],
    ["edge/a.ts", "edge", "../agent/b.ts", false],
    ["edge/a.ts", "edge", "node:fs", false],
    ["edge/a.ts", "edge", "hono/cors", true],
    ["agent/a.ts", "agent", "cloudflare:workers", false],
    ["agent/a.ts", "agent", "../objects/contract.ts", false],
    ["cli/a.ts", "cli", "../edge/b.ts", false],
    ["local/a.ts", "local", "../agent/b.ts", true],
    ["local/a.ts", "local", "../../test/support/b.ts", false],
  ] as const)("in %s of %s, %s is allowed: %s", ([path, room, specifier, allowed]) => {
    expect(importProblem(path, room, specifier) === null).toBe(allowed);
  });
});

describe("a circle", () => {
  const edges = (...pairs: [from: string, to: string][]) =>
    new Map(pairs.flat().map((node) => [node, pairs.flatMap(([from, to]) => (from === node ? [to] : []))]));

  test.for([
    ["two files", edges(["a", "b"], ["b", "a"]), [["a", "b"]]],
    ["a file and itself", edges(["a", "a"]), [["a"]]],
    ["four files", edges(["a", "b"], ["b", "c"], ["c", "d"], ["d", "b"], ["d", "a"]), [["a", "b", "c", "d"]]],
    [
      "two of two",
      edges(["a", "b"], ["b", "a"], ["b", "c"], ["c", "d"], ["d", "c"]),
      [
        ["c", "d"],
        ["a", "b"],
      ],
    ],
    ["none, by two ways", edges(["a", "b"], ["a", "c"], ["b", "d"], ["c", "d"]), []],
  ] as const)("of %s is seen", ([, graph, circles]) => {
    expect(circlesOf(graph)).toEqual(circles);
  });
});

describe("the rooms", () => {
  test("are those of the design, and hold every source file", () => {
    const rooms = new Set(files.map(({ room }) => room));
    expect([...rooms].filter((room) => !isRoom(room))).toEqual([]);
    expect(files.length).toBeGreaterThan(40);
  });

  test("import one way", () => {
    const problems = files.flatMap(({ path, room, text }) =>
      isRoom(room)
        ? importsOf(text).flatMap((specifier) => {
            const problem = importProblem(path, room, specifier);
            return problem === null ? [] : `${path}: ${problem}`;
          })
        : [],
    );
    expect(problems).toEqual([]);
  });

  test("hold no circle of imports", () => {
    const edges = new Map(files.map((file) => [file.path, importedFiles(file)]));
    expect(circlesOf(edges)).toEqual([]);
  });

  test("relative imports name a file with its extension", () => {
    const bare = files.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((specifier) => specifier.startsWith(".") && !/\.(tsx?|json|css)$/.test(specifier))
        .map((specifier) => `${path}: ${specifier}`),
    );
    expect(bare).toEqual([]);
  });

  test("domain depends on nothing but its arguments: no clock, chance, network, console or waiting", () => {
    const found = files
      .filter(({ room }) => room === "domain")
      .flatMap(({ path, text }) =>
        impure
          .filter((pattern) => pattern.test(withoutComments(text)))
          .map((pattern) => `${path}: ${pattern}`),
      );
    expect(found).toEqual([]);
  });

  test(`have no file of more than ${maxLines} lines`, () => {
    const long = files.filter(({ text }) => text.split("\n").length - 1 > maxLines);
    expect(long.map(({ path }) => path)).toEqual([]);
  });
});

/** What each folder of the edge may import of the others. Files at its root that name none of them are for all. */
const edgeFolders: Readonly<Record<string, readonly string[]>> = {
  credentials: [],
  admission: ["credentials"],
  views: ["credentials"],
  streams: ["views"],
  api: ["admission", "credentials", "streams", "views"],
  registry: ["admission", "credentials"],
  pages: ["admission", "credentials", "streams", "views"],
};
/** What puts the front doors together, which no folder may import. */
const edgeEntrances = ["app.ts", "worker.ts"];

/** Why a file of the edge may not import another of it, or null where it may. Paths are below `src/edge`. */
function edgeImportProblem(path: string, target: string): string | null {
  if (edgeEntrances.includes(path)) return null;
  const [from = "", to = ""] = [path, target].map((file) => (file.includes("/") ? file.split("/")[0] : ""));
  const isAllowed =
    to === "" ? !edgeEntrances.includes(target) : from === to || (edgeFolders[from]?.includes(to) ?? false);
  return isAllowed ? null : `${from || path} may not import from ${to || target}`;
}

describe("the folders of the edge", () => {
  const edge = "edge/";
  const inside = files.filter(({ path }) => path.startsWith(edge));

  test.for([
    ["app.ts", "api/answer.ts", true],
    ["body.ts", "locate-backend.ts", true],
    ["body.ts", "views/connection.ts", false],
    ["api/routes/v1.ts", "api/route.ts", true],
    ["api/routes/v1.ts", "streams/follow.ts", true],
    ["api/routes/v1.ts", "app.ts", false],
    ["api/run-route.ts", "pages/pages.ts", false],
    ["admission/admit.ts", "registry/refusal.ts", false],
    ["pages/frame/run-page.tsx", "api/run-route.ts", false],
    ["registry/token.ts", "admission/admit.ts", true],
    ["streams/keep-alive.ts", "admission/admit.ts", false],
  ] as const)("%s may import %s: %s", ([path, target, allowed]) => {
    expect(edgeImportProblem(path, target) === null).toBe(allowed);
  });

  test("are those of the table", () => {
    const folders = inside.flatMap(({ path }) => (path.split("/").length > 2 ? [path.split("/")[1]] : []));
    expect([...new Set(folders)].sort()).toEqual(Object.keys(edgeFolders).sort());
  });

  test("import one way", () => {
    const problems = inside.flatMap((file) =>
      importedFiles(file)
        .filter((target) => target.startsWith(edge))
        .flatMap((target) => {
          const problem = edgeImportProblem(file.path.slice(edge.length), target.slice(edge.length));
          return problem === null ? [] : `${file.path}: ${problem}`;
        }),
    );
    expect(problems).toEqual([]);
  });
});

/** What each folder of the pages may import of the others; one that is not named here is a page, and may import all three. */
const pageLayers: Readonly<Record<string, readonly string[]>> = {
  elements: [],
  plots: ["elements"],
  frame: ["elements"],
};

/** Why a file of the pages may not import another of them, or null where it may. Paths are below `src/edge/pages`. */
function pageImportProblem(path: string, target: string): string | null {
  const [from = "", to = ""] = [path, target].map((file) => (file.includes("/") ? file.split("/")[0] : ""));
  const allowed = pageLayers[from] ?? Object.keys(pageLayers);
  // The table of all pages, and what mounts them, stand above every folder.
  return from === "" || from === to || allowed.includes(to)
    ? null
    : `${from} may not import from ${to || target}`;
}

describe("the folders of the pages", () => {
  const pages = "edge/pages/";

  test.for([
    ["frame/page.ts", "elements/form.tsx", true],
    ["elements/form.tsx", "frame/page-call.ts", false],
    ["elements/badges/badge.tsx", "elements/paths.ts", true],
    ["elements/badges/badge.tsx", "frame/page-call.ts", false],
    ["frame/page.ts", "plots/scales/linear-scale.ts", false],
    ["plots/marks.tsx", "elements/time.tsx", true],
    ["plots/marks.tsx", "frame/view.ts", false],
    ["frame/page.ts", "plots/marks.tsx", false],
    ["cluster/cluster.tsx", "cluster/facts.tsx", true],
    ["cluster/cluster.tsx", "plots/marks.tsx", true],
    ["cluster/cluster.tsx", "settings/token-scope.ts", false],
    ["cluster/cluster.tsx", "pages.ts", false],
    ["pages.ts", "cluster/cluster.tsx", true],
  ] as const)("%s may import %s: %s", ([path, target, allowed]) => {
    expect(pageImportProblem(path, target) === null).toBe(allowed);
  });

  test("import nothing that stands above them, nor another page", () => {
    const problems = files
      .filter(({ path }) => path.startsWith(pages))
      .flatMap((file) =>
        importedFiles(file)
          .filter((target) => target.startsWith(pages))
          .flatMap((target) => {
            const problem = pageImportProblem(file.path.slice(pages.length), target.slice(pages.length));
            return problem === null ? [] : `${file.path}: ${problem}`;
          }),
      );
    expect(problems).toEqual([]);
  });
});

describe("the folders of the agent", () => {
  /** Which other folders each may import from. The files at the root of the agent are below all of them but agent.ts. */
  const directions: Readonly<Record<string, readonly string[]>> = {
    registry: [],
    runtimes: ["registry"],
    "control-plane": [],
    proxy: ["runtimes"],
    backends: ["control-plane", "runtimes"],
    server: ["control-plane", "proxy", "backends", "runtimes"],
  };
  const imports = files
    .filter(({ room }) => room === "agent")
    .flatMap((file) => importedFiles(file).map((imported) => ({ from: file.path, to: imported })))
    .filter(({ from, to }) => to.startsWith("agent/") && from !== "agent/agent.ts");
  /** Empty for a file at the agent's root. */
  const folderOf = (path: string) => path.split("/").slice(1, -1)[0] ?? "";

  test("import one way", () => {
    const problems = imports.filter(({ from, to }) => {
      const allowed = ["", folderOf(from), ...(directions[folderOf(from)] ?? [])];
      return !allowed.includes(folderOf(to));
    });
    expect(problems).toEqual([]);
  });

  test("are those of the table, and know nothing of a runtime but what every runtime is", () => {
    const folders = new Set(files.filter(({ room }) => room === "agent").map(({ path }) => folderOf(path)));
    expect([...folders].toSorted()).toEqual(["", ...Object.keys(directions)].toSorted());
    const outside = imports.filter(
      ({ from, to }) => folderOf(to) === "runtimes" && folderOf(from) !== "runtimes",
    );
    expect(outside.filter(({ to }) => to !== "agent/runtimes/runtime.ts")).toEqual([]);
  });

  test("stand beside four files", () => {
    const atRoot = files.filter(({ room, path }) => room === "agent" && folderOf(path) === "");
    expect(atRoot.map(({ path }) => path).toSorted()).toEqual([
      "agent/agent.ts",
      "agent/clock.ts",
      "agent/log.ts",
      "agent/timers.ts",
    ]);
  });
});
