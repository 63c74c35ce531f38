import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { GateAnswer } from "../../../src/protocol/v3/deploys.ts";
import * as answers from "../answers.ts";
import { type GivenAnswer, refusal, startRecordedApi } from "../recorded-api.ts";
import { type Ended, slipwayAsAcme } from "../slipway.ts";

const promote = ["env", "promote", "hello/prod", "--from", "staging"];
const staging = { body: { ...answers.prod, name: "staging" } };
const promoted = { body: answers.promoted };
const soak = answers.pendingGates.find(({ name }) => name === "soak_seconds");
const message = "gates of environment `prod` are not met: min_ready: 3 of 20 in `staging` (pending)";

function refusedBy(gates: readonly GateAnswer[]): GivenAnswer {
  return refusal("gate_not_met", message, "r-1", { gates });
}

const soakPassed: GateAnswer = { name: "soak_seconds", state: "passed", have: 900, need: 900 };
const ready = (have: number): GateAnswer[] => [
  { name: "min_ready", state: have < 20 ? "pending" : "passed", have, need: 20, environment: "staging" },
  soakPassed,
];
const failedCheck: GateAnswer = { name: "checks", state: "failed", have: [], need: ["e2e"] };

describe("gates that are not met", () => {
  test("end with exit code 3 where each may be by itself", async () => {
    await using api = await startRecordedApi([refusedBy(answers.pendingGates)]);
    expect(await slipwayAsAcme(api.url, promote)).toEqual({
      exitCode: 3,
      stdout: "",
      stderr: `error: ${message} (gate_not_met, request r-1)\n`,
    });
    expect(api.requests).toHaveLength(1);
  });

  test("end with exit code 3 of a pin, a rollback and an approval too", async () => {
    for (const args of ["pin hello/prod v12", "rollback hello/prod", "approve hello/prod 6f1c5e0a"]) {
      await using api = await startRecordedApi([refusedBy(answers.pendingGates)]);
      expect((await slipwayAsAcme(api.url, ["env", ...args.split(" ")])).exitCode).toBe(3);
    }
  });

  test.for([
    ["one of them failed", refusedBy([...answers.pendingGates, failedCheck])],
    ["none of them is unmet", refusedBy([soakPassed])],
    ["nothing is said of them", refusal("gate_not_met", message)],
    ["what is said of them is not understood", refusal("gate_not_met", message, "r-1", { gates: ["?"] })],
    [
      "something else keeps it from being done",
      refusal("environment_frozen", "closed", "r-1", { gates: answers.pendingGates }),
    ],
  ] as const)("end with exit code 1 where %s", async ([, answer]) => {
    await using api = await startRecordedApi([answer]);
    const ended = await slipwayAsAcme(api.url, promote);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
  });

  test("are no failure of a plan, which says that they would be", async () => {
    await using api = await startRecordedApi([{ body: answers.planned }]);
    const ended = await slipwayAsAcme(api.url, [...promote, "--plan"]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("what a change has come to", () => {
  test("a plan that was done is not taken for one", async () => {
    await using api = await startRecordedApi([promoted]);
    const ended = await slipwayAsAcme(api.url, [...promote, "--plan"]);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ended.stderr).toContain("answered in a form that this command does not know");
  });

  test.for([
    ["a plan", { body: answers.planned }, ["--plan"]],
    ["a change that waits", { status: 202, body: answers.waitingChange }, []],
    ["what was done", promoted, []],
  ] as const)("--json prints %s as it was answered", async ([, answer, more]) => {
    const added = { ...answer.body, added_later: 1 };
    await using api = await startRecordedApi([{ ...answer, body: added }]);
    const ended = await slipwayAsAcme(api.url, [...promote, ...more, "--json"]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(ended.stdout)).toEqual(added);
  });

  test("whatever changes an environment is conditional on --if-revision", async () => {
    const commands = [
      "promote hello/prod --from staging",
      "rollback hello/prod",
      "follow hello/prod",
      "unfreeze hello/prod",
      "protect hello/prod --approvals 1",
      "update hello/prod --max-idle 15m",
      "delete hello/prod",
    ];
    await using api = await startRecordedApi(
      commands.map(() => ({ status: 202, body: answers.waitingChange })),
    );
    for (const command of commands) {
      await slipwayAsAcme(api.url, ["env", ...command.split(" "), "--if-revision", "6"]);
    }
    expect(api.requests.map(({ headers }) => headers["if-match"])).toEqual(commands.map(() => '"6"'));
  });

  test("an approval that ended its change, since nobody may make it any more, is a failure", async () => {
    await using api = await startRecordedApi([{ body: { ...answers.waitingChange, state: "rejected" } }]);
    const ended = await slipwayAsAcme(api.url, ["env", "approve", "hello/prod", answers.waitingChange.id]);
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout).toContain("rejected");
  });
});

describe("promote --wait", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Runs the command to its end, while time passes much faster than by the clock. */
  async function waiting(given: readonly GivenAnswer[], args: readonly string[] = []) {
    await using api = await startRecordedApi(given);
    let ended: Ended | undefined;
    const run = slipwayAsAcme(api.url, [...promote, "--wait", ...args]).then((result) => {
      ended = result;
    });
    while (ended === undefined) {
      await setImmediate();
      vi.advanceTimersByTime(5);
    }
    await run;
    return { ...ended, requests: api.requests };
  }

  test("tries again until the gates are met, with what the other environment ran at the beginning", async () => {
    const given = [staging, refusedBy(ready(3)), refusedBy(ready(12)), refusedBy(ready(12)), promoted];
    const { requests, ...ended } = await waiting(given);
    expect(ended).toMatchObject({ exitCode: 0 });
    expect(ended.stdout).toContain(answers.digestA);
    expect(ended.stderr).toBe(
      "waiting for min_ready: 3 of 20 in staging\nwaiting for min_ready: 12 of 20 in staging\n",
    );
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /v3/accounts/acme/services/hello/environments/staging",
      ...Array(4).fill("POST /v3/accounts/acme/services/hello/environments/prod/promote"),
    ]);
    for (const { body } of requests.slice(1))
      expect(body).toEqual({ from: "staging", digest: answers.digestA });
  });

  test("asks for no digest where one is named", async () => {
    const { requests, exitCode } = await waiting([promoted], ["--digest", answers.digestB]);
    expect(exitCode).toBe(0);
    expect(requests.map(({ body }) => body)).toEqual([{ from: "staging", digest: answers.digestB }]);
  });

  test("says with --json what it waits for, and prints nothing but the answer on stdout", async () => {
    const { stdout, stderr } = await waiting(
      [staging, refusedBy(answers.pendingGates), promoted],
      ["--json"],
    );
    expect(JSON.parse(stdout)).toEqual(promoted.body);
    expect(stderr).toBe(
      "waiting for min_ready: 3 of 20 in staging; max_failed_share: 4 of 20 sessions in staging; " +
        `soak_seconds: until ${soak?.passes_at}; checks: none of e2e, scan\n`,
    );
  });

  test("ends with exit code 3 when its time is over", async () => {
    const given = [staging, ...Array<GivenAnswer>(50).fill(refusedBy(ready(3)))];
    const { exitCode, stderr, requests } = await waiting(given, ["--timeout", "6"]);
    expect(exitCode).toBe(3);
    expect(stderr).toBe(
      `waiting for min_ready: 3 of 20 in staging\nerror: ${message} (gate_not_met, request r-1)\n`,
    );
    expect(requests.length).toBeGreaterThan(2);
  });

  test("ends with exit code 1 as soon as a gate has failed", async () => {
    const given = [staging, refusedBy(ready(3)), refusedBy([...ready(3), failedCheck]), promoted];
    const { exitCode, requests } = await waiting(given);
    expect(exitCode).toBe(1);
    expect(requests).toHaveLength(3);
  });

  test("ends with exit code 1 when what it waits with has moved", async () => {
    const given = [
      staging,
      refusedBy(ready(3)),
      refusal("candidate_moved", "it resolves to another"),
      promoted,
    ];
    const { exitCode, stderr, requests } = await waiting(given);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("(candidate_moved, request req-1)");
    expect(requests).toHaveLength(3);
  });

  test("lets a change wait for approval, once its gates are met", async () => {
    const given = [staging, refusedBy(ready(3)), { status: 202, body: answers.waitingChange }];
    const { exitCode, stdout } = await waiting(given);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`slipway env approve hello/prod ${answers.waitingChange.id}`);
  });

  test("leaves it to the API to refuse what resolves to nothing", async () => {
    const unpushed = { body: { ...answers.unpushed, name: "staging" } };
    const { exitCode, requests } = await waiting([unpushed, refusal("image_not_found", "no image yet")]);
    expect(exitCode).toBe(1);
    expect(requests[1]?.body).toEqual({ from: "staging" });
  });

  test("is wrong usage beside --plan, of which nothing is sent", async () => {
    await using api = await startRecordedApi([]);
    for (const more of [["--wait"], ["--timeout", "6"]]) {
      const ended = await slipwayAsAcme(api.url, [...promote, "--plan", ...more]);
      expect(ended.exitCode).toBe(2);
    }
    expect(api.requests).toEqual([]);
  });
});
