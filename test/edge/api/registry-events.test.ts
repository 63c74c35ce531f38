import { expect } from "vitest";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { registryEventsAnswer } from "../../../src/protocol/v3/registry-events.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  refusal,
  type TestAccount,
} from "../../support/worker/api.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

const digestOf = (n: number) => `sha256:${String(n).repeat(64)}`;

let account: TestAccount;
let service: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
  service = await createService(account);
});

function pushed(n: number, timestamp: string) {
  return {
    action: "push",
    timestamp,
    target: { digest: digestOf(n), repository: "acme/hello", tag: "latest" },
    request: { host: "registry.example.com" },
  };
}

function notify(...events: object[]) {
  return call(registryEventsAnswer, `${service}/registry-events`, { token: account.admin, json: { events } });
}

async function spawnedImage(cluster: ScriptedCluster) {
  const path = `/v2/service/${account.name}/hello/connect`;
  const { backend_id } = await call(connectAnswer, path, { token: account.admin, json: {} });
  const spawn = cluster.received
    .map(({ message }) => message)
    .find((message) => message.type === "backend.spawn" && message.data.backend_id === backend_id);
  return spawn?.type === "backend.spawn" ? spawn.data.image : undefined;
}

test("a push that another registry notifies of is what the next spawn runs, from that registry", async ({
  cluster,
}) => {
  const answer = await notify(pushed(1, "2026-03-09T10:00:00Z"), { ...pushed(2, ""), action: "pull" });
  expect(answer).toEqual({ recorded: [{ digest: digestOf(1), tag: "latest" }], ignored: 1 });
  expect(await spawnedImage(cluster)).toMatchObject({
    digest: digestOf(1),
    reference: `registry.example.com/acme/hello@${digestOf(1)}`,
  });
});

test("a notification that comes late, or again, does not move a tag back", async ({ cluster }) => {
  await notify(pushed(2, "2026-03-09T11:00:00Z"));
  await notify(pushed(1, "2026-03-09T10:00:00Z"));
  expect((await spawnedImage(cluster))?.digest).toBe(digestOf(2));
});

test("what is no notification is refused and changes nothing", async ({ cluster }) => {
  const path = `${service}/registry-events`;
  const refused = await refusal(path, { token: account.admin, json: { action: "push" } });
  expect(refused).toMatchObject({ status: 400, code: "bad_request" });
  expect((await spawnedImage(cluster))?.digest).toBe(digestOf(2));
});
