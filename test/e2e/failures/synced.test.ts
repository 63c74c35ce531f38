import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { statusReportAnswer } from "../../../src/protocol/v3/agent.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { call } from "../../support/api.ts";
import { startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { makeFolder } from "../../support/folder.ts";
import { type SystemCall, systemCallsDuring, whyNoTracing } from "../../support/killable/system-calls.ts";
import { killableWorkerd } from "../../support/killable/workerd.ts";
import { share } from "../../support/shared.ts";

/*
 * That a kill loses nothing shows no more than that the kernel had it. Here strace(1) shows what would survive a loss of
 * power: each file that a request was written to is synced before the answer, and before the webhook that follows from it.
 */

const account = "/v3/accounts/acme";
const hello = `${account}/services/hello`;
const digest = `sha256:${"1".repeat(64)}`;
const anything = z.looseObject({});

interface Request {
  path: string;
  method?: string;
  json: object;
  byAgent?: true;
}

interface Spawned {
  id: string;
  fencingToken: number;
}

/** What writes; each has its mark in what it stores. */
const doors: [name: string, request: (mark: string, spawned: Spawned) => Request][] = [
  ["a token", (name) => ({ path: `${account}/tokens`, json: { name, role: "read" } })],
  ["an image", (tag) => ({ path: `${hello}/images`, json: { digest, tag } })],
  [
    "a pin",
    (note) => ({
      path: `${hello}/environments/default/pin`,
      method: "PUT",
      json: { image: digest, note },
    }),
  ],
  ["a spawn", (key) => ({ path: "/v2/service/acme/hello/connect", json: { key } })],
  [
    "a report that a backend is ready",
    (mark, { id, fencingToken }) => ({
      path: `/v3/agent/backends/${id}/status`,
      json: { status: "ready", fencing_token: fencingToken, url: `http://127.0.0.1:1/${mark}` },
      byAgent: true,
    }),
  ],
];

const traced: { mark: string; calls: SystemCall[] }[] = [];

const whyNot = whyNoTracing();
beforeEach(({ skip }) => skip(whyNot !== null, whyNot ?? ""));

share({
  async start(stack) {
    if (whyNot !== null) return;
    const folder = stack.use(await makeFolder());
    const cluster = stack.use(await startRecordingCluster());
    const worker = stack.use(await killableWorkerd(folder.path));
    worker.start();
    await worker.serving();
    const root = { api_url: worker.apiUrl, token: worker.rootToken };
    const created = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    const api = { api_url: worker.apiUrl, token: created.token.secret_token };
    const { agent_token } = await call(api, createdCluster, `${account}/clusters`, {
      json: {
        name: "main",
        webhook_url: `${cluster.url}/webhook`,
        backend_url_template: `${cluster.url}/{backend_id}`,
      },
    });
    await call(api, anything, `${account}/services`, { json: { name: "hello" } });
    await call(api, anything, `${hello}/images`, { json: { digest, tag: "latest" } });
    const spawned = await call(api, connectAnswer, "/v2/service/acme/hello/connect", { json: {} });
    const sent = cluster.messages.find(({ type }) => type === "backend.spawn");
    if (sent?.type !== "backend.spawn") throw new Error("nothing was spawned");
    const { fencing_token: fencingToken } = sent.data;
    const pid = worker.pid();
    if (pid === null) throw new Error("it does not run");

    for (const [i, [, request]] of doors.entries()) {
      const mark = `mark-${i}-${crypto.randomUUID().slice(0, 8)}`;
      const { path, json, method, byAgent } = request(mark, {
        id: spawned.backend_id,
        fencingToken,
      });
      const by = { ...api, ...(byAgent && { token: agent_token }) };
      const calls = await systemCallsDuring(pid, join(folder.path, `strace-${i}`), async () => {
        await call(by, byAgent ? statusReportAnswer : anything, path, { json, ...(method && { method }) });
      });
      traced.push({ mark, calls });
    }
  },
});

/** The files that a mark was written to before `end`, with whether each was synced after that and before `end`. */
function writtenFiles(calls: readonly SystemCall[], mark: string, end: number): Map<string, boolean> {
  const files = new Map<string, boolean>();
  for (const { kind, of, bytes } of calls.slice(0, end)) {
    if (kind === "writes" && bytes.includes(mark)) files.set(of, false);
    else if (kind === "syncs" && files.has(of)) files.set(of, true);
  }
  return files;
}

describe("before it is answered", () => {
  test.each(doors.map(([name], i) => [name, i] as const))("%s is on the disk", (_, i) => {
    const { mark, calls } = traced[i] ?? { mark: "", calls: [] };
    const received = calls.findIndex(({ kind, bytes }) => kind === "receives" && bytes.includes(mark));
    const answered = calls.findIndex(
      ({ kind, bytes }, at) => at > received && kind === "sends" && bytes.includes("HTTP/1.1 20"),
    );
    expect(received).toBeGreaterThanOrEqual(0);
    expect(answered).toBeGreaterThan(received);
    const written = calls.findIndex(({ kind, bytes }) => kind === "writes" && bytes.includes(mark));
    expect([...writtenFiles(calls, mark, written + 1).values()]).toEqual([false]);
    expect(new Set(writtenFiles(calls, mark, answered).values())).toEqual(new Set([true]));
  });
});

test("before its cluster is sent a spawn, it is on the disk", () => {
  const spawn = traced[doors.findIndex(([name]) => name === "a spawn")];
  const { mark, calls } = spawn ?? { mark: "", calls: [] };
  const sent = calls.findIndex(
    ({ kind, bytes }) => kind === "sends" && bytes.includes("backend.spawn") && bytes.includes(mark),
  );
  expect(sent).toBeGreaterThan(0);
  expect(new Set(writtenFiles(calls, mark, sent).values())).toEqual(new Set([true]));
});
