import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { createdToken } from "../../src/protocol/v3/accounts.ts";
import { changeList, checkList, plan } from "../../src/protocol/v3/deploys.ts";
import { environment, history } from "../../src/protocol/v3/services.ts";
import { call, connectToDemo } from "../support/api.ts";
import { makeFolder } from "../support/folder.ts";
import { type LocalSystem, startLocalSystem } from "../support/local-system.ts";
import { collectOutput, type Ended, programEnv, run } from "../support/process.ts";
import { share } from "../support/shared.ts";

/* The `slipway` command against a whole system, whose sessions are real. */

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const demo = "/v3/accounts/demo/services/hello-world";

let system: LocalSystem;

share({
  async start(stack) {
    const folder = stack.use(await makeFolder()).path;
    system = stack.use(await startLocalSystem(join(folder, "local")));
  },
});

const access = (token: string) => ({ SLIPWAY_API_URL: system.local.api_url, SLIPWAY_TOKEN: token });

function slipway(args: readonly string[], token = system.local.token): Promise<Ended> {
  return run([process.execPath, main, ...args], { env: access(token) });
}

/** Runs a command of `slipway env` that is to succeed. @returns what it printed */
async function env(command: string, options: readonly string[] = [], token?: string): Promise<string> {
  const ended = await slipway(["env", ...command.split(" "), ...options], token);
  expect(ended.exitCode, ended.output).toBe(0);
  return ended.stdout;
}

/** Runs one that is to be refused. @returns its exit code and why */
async function refused(command: string, options: readonly string[] = [], token?: string) {
  const { exitCode, stderr } = await slipway(["env", ...command.split(" "), ...options], token);
  return { exitCode, stderr };
}

const environmentOf = (name: string) => call(system.local, environment, `${demo}/environments/${name}`);

/** Makes an environment that runs the demo's `v1`. */
async function makeEnvironment(name: string): Promise<void> {
  await env(`create hello-world/${name}`, ["--image", "v1", "--cluster", "local-prod"]);
}

/** A token that the demo's admin makes for somebody. */
async function tokenFor(name: string, more: object): Promise<string> {
  const json = { name, role: "deploy", ...more };
  return (await call(system.local, createdToken, "/v3/accounts/demo/tokens", { json })).secret_token;
}

test("promote --wait goes ahead as soon as real sessions have met the gates, and rollback undoes it at once", async () => {
  await makeEnvironment("gated");
  // What never ran here is not gone back to without meeting the gates.
  await connectToDemo(system.local, "gated");
  const { digest: v1 } = await environmentOf("gated");
  const { digest: v2 } = await environmentOf("staging");
  const protection = await env(
    "protect hello-world/gated --gates-from staging --min-ready 2 --soak 1 --check e2e",
  );
  expect(protection).toMatch(/gates_from +staging\nmin_ready +2\nsoak +1 s\nchecks +e2e/);

  const early = await refused("promote hello-world/gated --from staging");
  expect(early).toMatchObject({ exitCode: 3 });
  expect(early.stderr).toContain("min_ready: 0 of 2 in `staging` (pending)");
  const planned = plan.parse(JSON.parse(await env("promote hello-world/gated --from staging --plan --json")));
  expect(planned).toMatchObject({
    before: { digest: v1 },
    after: { digest: v2 },
    refusals: [{ code: "gate_not_met" }],
  });
  expect(await environmentOf("gated")).toMatchObject({ digest: v1, revision: 1 });

  const args = [
    ..."env promote hello-world/gated --from staging --wait --timeout 2m --note".split(" "),
    "v2",
  ];
  const waits = spawn(process.execPath, [main, ...args], {
    env: { ...programEnv, ...access(system.local.token) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = collectOutput(waits);
  const ended = once(waits, "close");
  await vi.waitFor(() => expect(printed.stderr).toContain("waiting for min_ready: 0 of 2 in staging"), {
    timeout: 20_000,
  });
  for (const key of ["a", "b"]) await connectToDemo(system.local, "staging", { key });
  await vi.waitFor(() => expect(printed.stderr).toMatch(/waiting for checks: none of e2e\n$/), {
    timeout: 30_000,
  });
  const checker = await tokenFor("e2e", { role: "read", rights: ["check"] });
  await env(`checks hello-world ${v2} --post e2e=passed`, [], checker);
  expect(await ended).toEqual([0, null]);
  expect(printed.stdout).toContain(v2);
  expect(await environmentOf("gated")).toMatchObject({ digest: v2, revision: 2 });
  expect(await env("history hello-world/gated")).toContain("promote from staging, gates passed");
  expect(checkList.parse(JSON.parse(await env(`checks hello-world ${v2} --json`))).checks).toMatchObject([
    { name: "e2e", state: "passed" },
  ]);

  expect(await env("rollback hello-world/gated", ["--note", "it hangs"])).toContain(`It has rejected ${v2}`);
  expect(await environmentOf("gated")).toMatchObject({ digest: v1, revision: 3 });
  expect(await env("rejections hello-world/gated")).toContain("it hangs");
  const again = await refused("promote hello-world/gated --from staging");
  expect(again).toMatchObject({ exitCode: 1 });
  expect(again.stderr).toContain("(digest_rejected, request");
  await env(`lift hello-world/gated ${v2}`, ["--note", "it was the network"]);
  expect(await env("promote hello-world/gated --from staging")).toContain(v2);
});

test("promote --wait ends with exit code 3 when its time is over, and has changed nothing", async () => {
  await makeEnvironment("slow");
  await env("protect hello-world/slow --gates-from staging --min-ready 1000");
  const ended = await refused("promote hello-world/slow --from staging --wait --timeout 1");
  expect(ended.exitCode).toBe(3);
  expect(ended.stderr).toMatch(/^waiting for min_ready: \d+ of 1000 in staging\nerror: gates of environment/);
  expect((await environmentOf("slow")).revision).toBe(1);
});

test("a frozen environment is changed by nothing, until it is unfrozen", async () => {
  await makeEnvironment("frozen");
  await env("freeze hello-world/frozen", ["--reason", "the fair is on"]);
  expect(await env("list hello-world")).toContain("the fair is on");
  const pin = await refused("pin hello-world/frozen v2");
  expect(pin).toMatchObject({ exitCode: 1 });
  expect(pin.stderr).toMatch(/is stopped since .*: the fair is on; .*\(environment_stopped, request/);
  expect(await env("pin hello-world/frozen v2 --plan")).toContain("(environment_stopped)");
  expect((await environmentOf("frozen")).revision).toBe(1);
  await env("unfreeze hello-world/frozen");
  await env("pin hello-world/frozen v2");
  expect((await environmentOf("frozen")).revision).toBe(2);
});

test("a change that takes an approval waits for a second person's, and is done in that very request", async () => {
  await makeEnvironment("approved");
  const { digest: v2 } = await environmentOf("staging");
  await env("protect hello-world/approved --approvals 1");
  const ci = await tokenFor("ci", {});
  const ada = await tokenFor("ada", { rights: ["approve"] });

  const requested = await env("promote hello-world/approved --from staging", [], ci);
  const [, id = ""] = /slipway env approve hello-world\/approved (\S+)$/m.exec(requested) ?? [];
  expect(requested).toContain(`change ${id} waits for 1 approval`);
  expect((await environmentOf("approved")).revision).toBe(1);
  const own = await refused(`approve hello-world/approved ${id}`, [], ci);
  expect(own).toMatchObject({ exitCode: 1 });
  expect(own.stderr).toContain("(forbidden, request");

  const approved = await env(`approve hello-world/approved ${id}`, ["--note", "looks good"], ada);
  expect(approved).toMatch(/state +executed/);
  expect(await environmentOf("approved")).toMatchObject({ digest: v2, revision: 2 });
  const { revisions } = history.parse(JSON.parse(await env("history hello-world/approved --json")));
  expect(revisions[0]).toMatchObject({ kind: "promote", by: { token_name: "ci" } });
  const { changes } = changeList.parse(JSON.parse(await env("changes hello-world/approved --json")));
  expect(changes).toMatchObject([{ id, state: "executed", approvals: [{ token_name: "ada" }] }]);
  const over = await refused(`reject hello-world/approved ${id}`, [], ada);
  expect(over.stderr).toContain("(change_over, request");
});

test("to take a protection away takes what it takes: an admin, and the approval that it is about", async () => {
  await makeEnvironment("guarded");
  await env("protect hello-world/guarded --approvals 1 --no-spawn-tag");
  const ci = await tokenFor("ci", {});
  const ada = await tokenFor("ada", { rights: ["approve"] });
  const byCi = await refused("protect hello-world/guarded --approvals 0", [], ci);
  expect(byCi.stderr).toContain("(forbidden, request");

  const boss = await tokenFor("boss", { role: "admin" });
  const weaker = "protect hello-world/guarded --approvals 0 --spawn-tag";
  expect(await env(weaker, ["--plan"], boss)).toContain("It would wait for 1 approval.");
  const requested = await env(weaker, [], boss);
  const [, id = ""] = /slipway env approve \S+ (\S+)$/m.exec(requested) ?? [];
  await env(`approve hello-world/guarded ${id}`, [], ada);
  expect(await env("protect hello-world/guarded")).toBe("Nothing protects it.\n");
});
