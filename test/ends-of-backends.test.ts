import { expect, test } from "vitest";
import { files, withoutComments } from "./support/rooms/imports.ts";

/*
 * A backend ends in many ways, and everything that follows from an end is in one function, `endBackend`: a way that went
 * past it would free a key and wake nobody.
 */
const steps: [what: string, pattern: RegExp, places: string[]][] = [
  [
    "a statement that ends a backend",
    /SET\s+status\s*=\s*'terminated'|\bstatus: "terminated",\s+status_at\b|\bsql\.endBackend\(/g,
    ["objects/service/backends/lifecycle.ts", "objects/service/sql/backends.sql.ts"],
  ],
  [
    "a backend's deletion, at its end or once its shard has received that",
    /\bsql\.deleteBackend\(/g,
    ["objects/service/backends/lifecycle.ts", "objects/service/backends/shard-notifier.ts"],
  ],
  [
    "what follows from an end",
    /(?<!#)\bbackendEnded\(|\bwaiters\.ended\(/g,
    ["objects/service/backends/lifecycle.ts", "objects/service/parts.ts"],
  ],
];

test.for(steps)("there is one place each for %s", ([_, pattern, places]) => {
  const found = files.flatMap(({ path, text }) =>
    path.startsWith("objects/service/") ? [...withoutComments(text).matchAll(pattern)].map(() => path) : [],
  );
  expect(found.toSorted()).toEqual(places);
});
