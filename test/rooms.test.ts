import { describe, expect, test } from "vitest";
import { circlesOf } from "./support/rooms/circles.ts";
import { files, importedFiles, importedPath, importsOf, withoutComments } from "./support/rooms/imports.ts";
import { layerProblem, layers, lineOf } from "./support/rooms/layers.ts";

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

/** Why a file of a room may not import a module, or null where it may. */
function importProblem(path: string, room: Room, specifier: string): string | null {
  const { rooms, modules } = rules[room];
  if (!specifier.startsWith(".")) {
    const [scheme] = /^(node|cloudflare)(?=:)/.exec(specifier) ?? ["package"];
    return modules.some((kind) => kind === scheme) ? null : `${room} may not use ${specifier}`;
  }
  const target = importedPath(path, specifier);
  if (target === "../package.json") return room === "domain" ? "domain imports nothing outside itself" : null;
  const other = target.split("/")[0] ?? "";
  return other === room || rooms.some((name) => name === other)
    ? null
    : `${room} may not import from ${other}`;
}

const isRoom = (name: string): name is Room => name in rules;

describe("the check itself", () => {
  test.for([
    ['accept: "*/*", // any', 'accept: "*/*", '],
    ['a("/*"); b("*/");', 'a("/*"); b("*/");'],
    ["x = '// no comment';", "x = '// no comment';"],
    ['"a \\" // \\\\"; // b', '"a \\" // \\\\"; '],
    ['"https://a"; /* it\'s "b */ c("d")', '"https://a";  c("d")'],
    ["// don't\nf('/*', 'x'); // it's", "\nf('/*', 'x'); "],
  ] as const)("takes the comments out of %j", ([text, without]) => {
    expect(withoutComments(text)).toBe(without);
  });

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

describe("the folders of a room", () => {
  test.for([
    ["objects/account/account.ts", "objects/account/service-setup.ts", true],
    ["objects/account/account.sql.ts", "objects/account/events/events.sql.ts", true],
    ["objects/account/account.sql.ts", "objects/account/events/events.ts", false],
    ["objects/account/events/events.ts", "objects/account/clusters/clusters.ts", false],
    ["objects/account/contract.ts", "objects/service/contract.ts", true],
    ["objects/backends/backends.ts", "objects/service/backends/backend-list.ts", false],
    ["objects/backends/backends.ts", "objects/backend-query.ts", true],
    ["objects/service/service.ts", "objects/service/connect/connect.ts", true],
    ["objects/service/connect/connect.ts", "objects/service/deliveries/deliveries.ts", true],
    ["objects/service/deliveries/settle.ts", "objects/service/connect/decide.ts", false],
    ["objects/service/pins/images.ts", "objects/service/parts.ts", false],
    ["objects/service/pins/images.ts", "objects/service/state.ts", true],
    ["objects/service/feed/nudges.ts", "objects/failures/failure-log.ts", true],
    ["objects/service/feed/nudges.ts", "objects/cluster/liveness/agents.ts", false],
    ["objects/contract.ts", "objects/cluster/contract.ts", true],
    ["objects/stubs.ts", "objects/cluster/state.ts", false],
    ["edge/app.ts", "edge/api/answer.ts", true],
    ["edge/body.ts", "edge/locate-backend.ts", true],
    ["edge/body.ts", "edge/views/connection.ts", false],
    ["edge/api/routes/v1.ts", "edge/api/route.ts", true],
    ["edge/api/routes/v1.ts", "edge/streams/follow.ts", true],
    ["edge/api/routes/v1.ts", "edge/app.ts", false],
    ["edge/api/run-route.ts", "edge/pages/pages.ts", false],
    ["edge/admission/admit.ts", "edge/registry/refusal.ts", false],
    ["edge/pages/frame/run-page.tsx", "edge/api/run-route.ts", false],
    ["edge/registry/token.ts", "edge/admission/admit.ts", true],
    ["edge/streams/keep-alive.ts", "edge/admission/admit.ts", false],
    ["edge/pages/frame/page.ts", "edge/pages/elements/form.tsx", true],
    ["edge/pages/elements/form.tsx", "edge/pages/frame/page-call.ts", false],
    ["edge/pages/elements/badges/badge.tsx", "edge/pages/elements/paths.ts", true],
    ["edge/pages/elements/badges/badge.tsx", "edge/pages/frame/page-call.ts", false],
    ["edge/pages/frame/page.ts", "edge/pages/plots/scales/linear-scale.ts", false],
    ["edge/pages/plots/marks.tsx", "edge/pages/elements/time.tsx", true],
    ["edge/pages/plots/marks.tsx", "edge/pages/frame/view.ts", false],
    ["edge/pages/frame/page.ts", "edge/pages/plots/marks.tsx", false],
    ["edge/pages/cluster/cluster.tsx", "edge/pages/cluster/facts.tsx", true],
    ["edge/pages/cluster/cluster.tsx", "edge/pages/plots/marks.tsx", true],
    ["edge/pages/cluster/cluster.tsx", "edge/pages/settings/token-scope.ts", false],
    ["edge/pages/cluster/cluster.tsx", "edge/pages/pages.ts", false],
    ["edge/pages/pages.ts", "edge/pages/cluster/cluster.tsx", true],
    ["agent/agent.ts", "agent/server/server.ts", true],
    ["agent/clock.ts", "agent/server/server.ts", false],
    ["agent/proxy/proxy.ts", "agent/clock.ts", true],
    ["agent/proxy/proxy.ts", "agent/runtimes/runtime.ts", true],
    ["agent/proxy/proxy.ts", "agent/runtimes/docker/docker.ts", false],
    ["agent/proxy/proxy.ts", "agent/backends/backends.ts", false],
  ] as const)("%s may import %s: %s", ([path, target, allowed]) => {
    expect(layerProblem(path, target) === null).toBe(allowed);
  });

  test("import one way", () => {
    const problems = files.flatMap((file) =>
      importedFiles(file).flatMap((target) => {
        const problem = layerProblem(file.path, target);
        return problem === null ? [] : `${file.path}: ${problem}`;
      }),
    );
    expect(problems).toEqual([]);
  });

  test.for(Object.entries(layers))("%s are those of its table", ([folder, table]) => {
    const lines = files.flatMap(({ path }) =>
      path.startsWith(`${folder}/`) ? lineOf(table, path.slice(folder.length + 1)) : [],
    );
    const missing = Object.keys(table).filter((line) => line !== "*" && !lines.includes(line));
    expect(missing).toEqual([]);
    expect(lines.filter((line) => !(line in table) && !("*" in table))).toEqual([]);
  });

  test("of every object that has any are in a table", () => {
    const parents = files.flatMap(({ path }) => /^objects\/\w+(?=\/[^/]+\/)/.exec(path)?.[0] ?? []);
    expect([...new Set(parents)].filter((parent) => !(parent in layers))).toEqual([]);
  });

  test("of the agent stand beside four files", () => {
    const atRoot = files.filter(({ path }) => /^agent\/[^/]*$/.test(path));
    expect(atRoot.map(({ path }) => path).toSorted()).toEqual([
      "agent/agent.ts",
      "agent/clock.ts",
      "agent/log.ts",
      "agent/timers.ts",
    ]);
  });
});
