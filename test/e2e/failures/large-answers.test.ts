import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster, testedCluster } from "../../../src/protocol/v3/clusters.ts";
import { call } from "../../support/api.ts";
import { makeFolder } from "../../support/folder.ts";
import { type KillableWorkerd, killableWorkerd } from "../../support/killable/workerd.ts";
import { run } from "../../support/process.ts";
import { startHostileAnswers } from "../../support/remote/hostile-answers.ts";
import type { HostilePlace } from "../../support/remote/hostile-place.ts";
import { share } from "../../support/shared.ts";

const mib = 1024 * 1024;
/** What an answer becomes, and what reading it may cost. */
const answerBytes = 256 * mib;
const allowedBytes = 48 * mib;

const reader = new URL("../../../src/protocol/remote-answer.ts", import.meta.url).href;

let hostile: HostilePlace;
let controlPlane: KillableWorkerd;
let api: { api_url: string; token: string };

share({
  async start(stack) {
    hostile = stack.use(await startHostileAnswers(answerBytes));
    controlPlane = stack.use(await killableWorkerd(stack.use(await makeFolder()).path));
    controlPlane.start();
    await controlPlane.serving();
    const root = { api_url: controlPlane.apiUrl, token: controlPlane.rootToken };
    const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    api = { api_url: controlPlane.apiUrl, token: account.token.secret_token };
    await call(api, createdCluster, "/v3/accounts/acme/clusters", {
      json: { name: "main", webhook_url: `${hostile.url}/short` },
    });
  },
});

/** The most memory that a process has had so far, in bytes. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Sends the cluster a ping at an address. */
async function pingAt(url: string) {
  const path = "/v3/accounts/acme/clusters/main";
  await call(api, z.looseObject({}), path, { method: "PATCH", json: { webhook_url: url } });
  return call(api, testedCluster, `${path}/test`, { method: "POST" });
}

describe.skipIf(process.platform !== "linux")("an answer of 256 MiB costs next to nothing", () => {
  test.each([
    ["bomb-br", { delivered: false, error: expect.stringContaining("content coding `br`") }],
    ["bomb-gzip", { delivered: false, error: expect.stringContaining("content coding `gzip`") }],
    ["flood", { delivered: true }],
    ["smuggled", { delivered: true }],
  ])("for the control plane, from a cluster: %s", async (kind, outcome) => {
    await pingAt(`${hostile.url}/short`);
    const before = await peakMemory(controlPlane.pid() ?? 0);
    expect(await pingAt(kind === "smuggled" ? hostile.smuggledUrl : `${hostile.url}/${kind}`)).toMatchObject(
      outcome,
    );
    expect((await peakMemory(controlPlane.pid() ?? 0)) - before).toBeLessThan(allowedBytes);
  });

  // Past the check of the coding, as if it had been hidden.
  test.each(["bomb-br", "bomb-gzip", "flood"])("for a Node that decodes it: %s", async (kind) => {
    const program = `
      import { readText } from ${JSON.stringify(reader)};
      const limit = { maxBytes: 65536, signal: AbortSignal.timeout(60000) };
      const read = async (kind) => readText(await fetch(${JSON.stringify(hostile.url)} + "/" + kind), limit);
      await read("short");
      const before = process.resourceUsage().maxRSS;
      const problem = await read(${JSON.stringify(kind)}).catch(({ message }) => message);
      console.log(JSON.stringify([problem, (process.resourceUsage().maxRSS - before) * 1024]));`;
    const { stdout, stderr } = await run([process.execPath, "--input-type=module", "--eval", program]);
    expect(stderr).toBe("");
    const [problem, bytes] = z.tuple([z.string(), z.number()]).parse(JSON.parse(stdout));
    expect(problem).toBe("it answered with more than 65536 bytes");
    expect(bytes).toBeLessThan(allowedBytes);
  });
});
