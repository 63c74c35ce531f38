import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseEnvironment, environmentNotFound, existing } from "../../../src/domain/pins/environments.ts";

interface Case {
  title: string;
  named?: string;
  existing: string[];
  serviceDefault?: string;
  chosen?: string;
  refused?: string;
}

const cases: Case[] = [
  { title: "the named one is used", named: "prod", existing: ["default", "prod"], chosen: "prod" },
  {
    title: "the named one is used rather than the service's default",
    named: "prod",
    existing: ["staging", "prod"],
    serviceDefault: "staging",
    chosen: "prod",
  },
  {
    title: "a named one that does not exist is refused, though there is a default",
    named: "prdo",
    existing: ["prod", "staging"],
    serviceDefault: "staging",
    refused: "environment_not_found",
  },
  {
    title: "a name in another case is another name",
    named: "Prod",
    existing: ["prod"],
    refused: "environment_not_found",
  },
  { title: "`default` is used when it is the only one", existing: ["default"], chosen: "default" },
  {
    title: "a request must name one as soon as others exist beside `default`",
    existing: ["default", "staging"],
    refused: "environment_required",
  },
  {
    title: "an only one that is not called `default` must be named",
    existing: ["prod"],
    refused: "environment_required",
  },
  {
    title: "the service's default is used when none is named",
    existing: ["default", "prod"],
    serviceDefault: "prod",
    chosen: "prod",
  },
  {
    title: "a service's default that is gone is as good as none",
    existing: ["default", "prod"],
    serviceDefault: "staging",
    refused: "environment_required",
  },
  { title: "a service without environments refuses", existing: [], refused: "environment_required" },
];

describe("which environment a request means", () => {
  test.for(cases)("$title", ({ named, existing: names, serviceDefault, chosen, refused }) => {
    const result = chooseEnvironment(named, existing(names), serviceDefault ?? null);
    if (chosen !== undefined) expect(result).toEqual({ ok: true, value: chosen });
    else expect(result).toMatchObject({ ok: false, error: { code: refused } });
  });

  test.for(["prdo", undefined])("a refusal lists what exists (named: %s)", (named) => {
    const result = chooseEnvironment(named, existing(["prod", "staging"]), null);
    expect(result).toMatchObject({ error: { details: { environments: ["prod", "staging"] } } });
    expect(result.ok ? "" : result.error.message).toContain("`prod`, `staging`");
  });

  test.for(["prdo", undefined])(
    "a refusal to a narrowed token lists what it reaches (named: %s)",
    (named) => {
      const result = chooseEnvironment(named, existing(["prod", "staging", "qa"]), null, [
        "staging",
        "qa",
        "prdo",
      ]);
      expect(result).toMatchObject({ error: { details: { environments: ["staging", "qa"] } } });
      expect(JSON.stringify(result)).not.toContain("prod");
    },
  );

  test("a narrowed token is refused another environment in the same words whether or not it exists", () => {
    const refusals = ["prod", "missing"].map((named) =>
      chooseEnvironment(named, existing(["prod", "staging"]), null, ["staging"]),
    );
    expect(refusals[0]).toMatchObject({ error: { code: "forbidden" } });
    expect(refusals[0]).toEqual(refusals[1]);
    expect(chooseEnvironment(undefined, existing(["prod", "staging"]), "prod", ["staging"])).toEqual(
      refusals[0],
    );
  });

  test("whatever is chosen exists, and is the named one if one was named", () => {
    const name = fc.constantFrom("default", "prod", "staging", "qa");
    fc.assert(
      fc.property(
        fc.option(name, { nil: undefined }),
        fc.uniqueArray(name),
        fc.option(name, { nil: null }),
        (named, names, serviceDefault) => {
          const result = chooseEnvironment(named, existing(names), serviceDefault);
          if (!result.ok) return;
          expect(names).toContain(result.value);
          if (named !== undefined) expect(result.value).toBe(named);
        },
      ),
    );
  });
});

test.for([
  [undefined, "this service has `prod`, `staging`"],
  [["prod"], "of this service, this token reaches `prod`"],
] as const)("a missing one is refused with what a token narrowed to %j reaches", ([allowed, words]) => {
  const refused = environmentNotFound("prdo", ["prod", "staging"], allowed);
  expect(refused.error.message).toBe(`environment \`prdo\` not found; ${words}`);
});
