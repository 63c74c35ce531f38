import { expect, test, vi } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { call } from "../../support/api.ts";
import { startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { killableWorker } from "../../support/killable/worker.ts";
import { mountSmallDisk, whyNoSmallDisk } from "../../support/small-disk.ts";

const diskBytes = 32 * 1024 * 1024;
const digestOf = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
const account = "/v3/accounts/acme";
const hello = `${account}/services/hello`;
const anything = z.looseObject({});

interface Request {
  path: string;
  method?: string;
  token?: string;
  json?: object;
}

/** What writes, under a mark of its own each time. */
interface Door {
  name: string;
  request(mark: string, n: number): Request;
  /** The list in which the mark is, once it is written. */
  shownIn?: string;
  refusal?: object;
}

const refused = { status: 503, retryAfter: "10" };
const storageFull = { error: { status: 503, code: "storage_full" } };

test("a control plane whose disk is full refuses what it cannot write, reads what it has, and goes on once there is room", {
  timeout: 120_000,
}, async ({ skip }) => {
  const whyNot = whyNoSmallDisk();
  skip(whyNot !== null, whyNot ?? "");
  using disk = mountSmallDisk(diskBytes);
  await using cluster = await startRecordingCluster();
  await using worker = await killableWorker(`${disk.path}/storage`);
  await worker.start();
  const root = { api_url: worker.apiUrl, token: worker.rootToken };
  const created = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
  const api = { api_url: worker.apiUrl, token: created.token.secret_token };
  const { agent_token: agent } = await call(api, createdCluster, `${account}/clusters`, {
    json: {
      name: "main",
      webhook_url: `${cluster.url}/webhook`,
      backend_url_template: `${cluster.url}/{backend_id}`,
    },
  });
  await call(api, anything, `${account}/services`, { json: { name: "hello" } });
  await call(api, anything, `${hello}/images`, { json: { digest: digestOf(0), tag: "latest" } });
  const connect = () => call(api, connectAnswer, "/v2/service/acme/hello/connect", { json: { key: "held" } });
  const held = await connect();
  const spawned = cluster.messages.find(({ type }) => type === "backend.spawn");
  if (spawned?.type !== "backend.spawn") throw new Error("nothing was spawned");
  const { fencing_token } = spawned.data;

  const doors: Door[] = [
    { name: "v1 spawn", request: () => ({ path: "/user/acme/service/hello/spawn", json: {} }) },
    {
      name: "v2 connect",
      request: (mark) => ({ path: "/v2/service/acme/hello/connect", json: { key: mark } }),
      shownIn: `${hello}/backends`,
    },
    {
      name: "v3, of an account",
      request: (mark) => ({ path: `${account}/tokens`, json: { name: mark, role: "read" } }),
      shownIn: `${account}/tokens`,
    },
    {
      name: "v3, of a service",
      request: (mark, n) => ({ path: `${hello}/images`, json: { digest: digestOf(n), tag: mark } }),
      shownIn: `${hello}/images`,
    },
    {
      name: "a pin",
      request: (note) => ({
        path: `${hello}/environments/default/pin`,
        method: "PUT",
        json: { image: digestOf(0), note },
      }),
      shownIn: `${hello}/environments/default/history`,
    },
    {
      name: "an object without a file as yet",
      request: (mark) => ({ path: "/v3/accounts", token: worker.rootToken, json: { name: mark } }),
    },
    {
      name: "a status report",
      request: () => ({
        path: `/v3/agent/backends/${held.backend_id}/status`,
        token: agent,
        json: { status: "ready", fencing_token },
      }),
    },
    {
      name: "a heartbeat",
      request: (mark) => ({
        path: "/v3/agent/heartbeat",
        token: agent,
        json: {
          cluster: "main",
          agent_id: mark,
          version: "1",
          backends: [{ id: held.backend_id, status: "ready", fencing_token }],
        },
      }),
    },
    {
      name: "a push",
      request: () => ({ path: "/v2/acme/hello/blobs/uploads/", method: "POST" }),
      refusal: { errors: [{ code: "UNAVAILABLE" }] },
    },
  ];

  async function send({ path, method = "POST", token = api.token, json }: Request) {
    const answer = await fetch(worker.apiUrl + path, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await answer.text();
    const retryAfter = answer.headers.get("retry-after");
    return { status: answer.status, retryAfter, body: text === "" ? null : JSON.parse(text) };
  }

  const acknowledged: { mark: string; shownIn: string | undefined }[] = [];
  let n = 0;
  async function knock({ request, shownIn }: Door) {
    n += 1;
    const mark = `mark-${n}`;
    const answer = await send(request(mark, n));
    if (answer.status < 300) acknowledged.push({ mark, shownIn });
    return answer;
  }

  for (const door of doors) {
    // There may be room for some more in what is written already.
    await vi.waitFor(async () => {
      disk.fill();
      const body = door.refusal ?? storageFull;
      expect([door.name, await knock(door)]).toMatchObject([door.name, { ...refused, body }]);
    }, 20_000);
  }
  await vi.waitFor(async () => {
    disk.fill();
    expect(await send({ path: "/healthz", method: "GET" })).toMatchObject({ ...refused, body: storageFull });
  }, 20_000);
  expect(await connect()).toMatchObject({ backend_id: held.backend_id, spawned: false });

  disk.makeRoom();
  for (const door of doors) {
    const answer = await knock(door);
    expect([door.name, answer, answer.status < 300]).toEqual([door.name, answer, true]);
  }
  expect(await connect()).toMatchObject({ backend_id: held.backend_id, spawned: false, status: "ready" });
  await vi.waitFor(
    async () => expect((await send({ path: "/healthz", method: "GET" })).status).toBe(200),
    20_000,
  );
  for (const list of doors.flatMap(({ shownIn }) => shownIn ?? [])) {
    const { body } = await send({ path: `${list}?limit=200`, method: "GET" });
    const shown = new Set(JSON.stringify(body).match(/(?<=")mark-\d+(?=")/g));
    const written = acknowledged.flatMap(({ mark, shownIn }) => (shownIn === list ? [mark] : []));
    expect([list, [...shown].sort()]).toEqual([list, written.sort()]);
  }
});
