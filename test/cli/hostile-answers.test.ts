import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import * as answers from "./answers.ts";
import { commandCases } from "./command-cases.ts";
import { type GivenAnswer, startRecordedApi } from "./recorded-api.ts";
import { type Ended, slipwayAsAcme } from "./slipway.ts";

/* Whatever Slipway, a cluster or a backend says, none of it drives the terminal of whoever reads it. */

const esc = "\u001b";
const bell = "\u0007";
const csi = "\u009b";
const sequences = [
  `${esc}[2J`,
  `${esc}]0;title${bell}`,
  `${esc}]8;;https://elsewhere.test${esc}\\`,
  `${esc}]52;c;c2VjcmV0${bell}`,
  `${csi}31m\u009d52;c;c2VjcmV0\u009c`,
  "\b\r\u007f\u0000\u0085",
  "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029",
];
const hostile = `<${sequences.join("|")}>`;

/** All but line feeds, tabs and what is in plain sight. */
const driving = /[^\P{C}\n\t]|[\u2028\u2029]/u;

function expectHarmless({ stdout, stderr }: Ended): void {
  expect(stdout).not.toMatch(driving);
  expect(stderr).not.toMatch(driving);
}

/** The value once for each text in it, with that text made hostile; and for each name of a field. */
function* hostileForms(value: unknown): Generator<unknown> {
  if (typeof value === "string") yield `${value}${hostile}`;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) for (const form of hostileForms(item)) yield value.with(i, form);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      for (const form of hostileForms(item)) yield { ...value, [name]: form };
    }
    yield { ...value, [hostile]: hostile };
  }
}

async function runEach(args: readonly string[], given: readonly GivenAnswer[]): Promise<Ended[]> {
  await using api = await startRecordedApi(given);
  const ended: Ended[] = [];
  for (const _ of given) ended.push(await slipwayAsAcme(api.url, args));
  return ended;
}

const answered = commandCases.filter(({ answer }) => answer !== undefined);
const ofDeployment = [
  {
    args: ["accounts", "create", "acme", "--root-token", "root"],
    status: 201,
    answer: answers.acmeAccount,
  },
  {
    args: ["accounts", "set-quota", "acme", "tags", "5", "--root-token", "root"],
    status: 200,
    answer: answers.acmeQuotas,
  },
];

/** The names of every command that does something. */
function namesOf(command: Command, before: readonly string[] = []): string[][] {
  if (command.commands.length === 0) return [[...before]];
  return command.commands.flatMap((sub) => namesOf(sub, [...before, sub.name()]));
}

test("every command that prints an answer is among those that are given hostile ones", () => {
  const others = ["backends logs", "backends metrics", "agent", "signing-keys"];
  const given = [...commandCases, ...ofDeployment].map(({ args }) => args.join(" "));
  const missing = namesOf(createProgram())
    .map((names) => names.join(" "))
    .filter((name) => !others.includes(name) && !given.some((args) => `${args} `.startsWith(`${name} `)));
  expect(missing).toEqual([]);
});

describe.for([false, true])("with --json: %j", { timeout: 60_000 }, (json) => {
  test.for([...answered, ...ofDeployment])("slipway $args", async ({ args, status = 200, answer }) => {
    const given = [...hostileForms(answer)].map((body) => ({ status, body }));
    const ended = await runEach(json ? [...args, "--json"] : args, given);
    for (const one of ended) expectHarmless(one);
    // The last form has nothing but a field that is not known.
    expect(ended.at(-1)?.exitCode).toBe(0);
  });

  test.for(["logs", "metrics"])("the lines of backends %s", async (command) => {
    const lines = [hostile, JSON.stringify({ cluster: hostile }), JSON.stringify(hostile)];
    const given = lines.map((line) => ({
      headers: { "content-type": "text/event-stream" },
      body: `data: ${line.replace("\r", "")}\n\n`,
    }));
    const args = ["backends", command, "k3f9q7h3kq2m9", ...(json ? ["--json"] : [])];
    for (const one of await runEach(args, given)) expectHarmless(one);
  });
});

test("what a program reads with --json is the same as it was answered", async () => {
  const body = { ...answers.prod, note: hostile };
  const [ended] = await runEach(["env", "show", "hello/prod", "--json"], [{ body }]);
  expect(JSON.parse(ended?.stdout ?? "")).toEqual(body);
});

test.for([
  ["services", "show", "hello"],
  ["services", "delete", "hello"],
  ["backends", "logs", "k3f9q7h3kq2m9"],
])("a failure of slipway %j", { timeout: 60_000 }, async (args) => {
  const error = { status: 404, code: "not_found", message: "there is none", id: "r-1" };
  const inHeader = `${csi}31m\u0085\u009d`;
  const ended = await runEach(args, [
    ...[...hostileForms({ error })].map((body) => ({ status: 404, body })),
    { status: 502, body: hostile },
    { status: 302, headers: { location: inHeader } },
    { status: 200, body: {}, headers: { "content-encoding": inHeader } },
    { status: 200, body: {}, headers: { "content-type": inHeader } },
  ]);
  for (const one of ended) expectHarmless(one);
  expect(ended[1]?.stderr).toContain("there is none");
});
