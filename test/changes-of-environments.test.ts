import { expect, test } from "vitest";
import { files, withoutComments } from "./support/rooms/imports.ts";

/*
 * What an environment resolves to, or may, is changed in many ways, and one place judges them all. A statement that is called
 * elsewhere would be a way past it.
 */
const statements: [what: string, pattern: RegExp, places: string[]][] = [
  ["moves an environment", /\bsql\.setPin\(/g, ["objects/service/deploys/move.ts"]],
  ["changes its cluster or settings", /\bsql\.updateEnvironment\(/g, ["objects/service/deploys/amend.ts"]],
  ["deletes it", /\bsql\.deleteEnvironment\(/g, ["objects/service/deploys/amend.ts"]],
  [
    "stops it, or takes that back",
    /\bsql\.setStopped\(/g,
    ["objects/service/deploys/amend.ts", "objects/service/deploys/amend.ts"],
  ],
  [
    "writes the columns that say so",
    /UPDATE environments SET (?!last_spawned_at)/g,
    [
      "objects/service/sql/deploys.sql.ts",
      "objects/service/sql/deploys.sql.ts",
      "objects/service/sql/revisions.sql.ts",
      "objects/service/sql/revisions.sql.ts",
      "objects/service/sql/revisions.sql.ts",
      "objects/service/sql/service.sql.ts",
    ],
  ],
  [
    "carries a judged change out",
    /\b(?:carryOutMove|carryOutAmendment)\(/g,
    [
      "objects/service/deploys/amend.ts",
      "objects/service/deploys/deploys.ts",
      "objects/service/deploys/deploys.ts",
      "objects/service/deploys/deploys.ts",
      "objects/service/deploys/move.ts",
    ],
  ],
];

test.for(statements)("there is one place that %s", ([_, pattern, places]) => {
  const found = files.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(pattern)].map(() => path),
  );
  expect(found.toSorted()).toEqual(places);
});
