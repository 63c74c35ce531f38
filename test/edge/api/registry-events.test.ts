import { expect } from "vitest";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { image, imageList } from "../../../src/protocol/v3/images.ts";
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
  expect(answer).toEqual({ recorded: [{ digest: digestOf(1), tag: "latest" }], repeated: 0, ignored: 1 });
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

test("a notification that is delivered again moves nothing, leads no list, and is counted", async ({
  cluster,
}) => {
  const [first, second] = [1, 2].map((n) => ({ ...pushed(n, "2026-03-09T12:00:00Z"), id: `event-${n}` }));
  await notify(first ?? {});
  await notify(second ?? {});
  expect(await notify(first ?? {})).toEqual({ recorded: [], repeated: 1, ignored: 0 });
  expect((await spawnedImage(cluster))?.digest).toBe(digestOf(2));
  const { images } = await call(imageList, `${service}/images`, { token: account.admin });
  expect(images[0]?.digest).toBe(digestOf(2));
});

test("a registry whose clock was in 2099 once holds its tag for no longer than until the next push", async ({
  cluster,
}) => {
  await notify(pushed(1, "2099-01-01T00:00:00Z"));
  await notify(pushed(3, new Date(Date.now() + 1_000).toISOString()));
  expect((await spawnedImage(cluster))?.digest).toBe(digestOf(3));
});

test("a tag that GitHub says was moved back moves, though its version is older", async ({ cluster }) => {
  const tagged = (n: number, created_at: string) => ({
    action: "updated",
    registry_package: {
      package_version: {
        version: digestOf(n),
        created_at,
        package_url: "ghcr.example.com/acme/hello:latest",
        container_metadata: { tag: { name: "latest", digest: digestOf(n) } },
      },
    },
  });
  const send = (json: object) =>
    call(registryEventsAnswer, `${service}/registry-events`, { token: account.admin, json });
  await send(tagged(4, "2026-03-10T10:00:00Z"));
  await send(tagged(1, "2026-03-09T10:00:00Z"));
  expect((await spawnedImage(cluster))?.digest).toBe(digestOf(1));
});

test("a late notification leaves where an image is pulled from as it is", async () => {
  const mirrored = (timestamp: string, tag?: string) => ({
    ...pushed(5, timestamp),
    target: { digest: digestOf(5), repository: "acme/hello", ...(tag === undefined ? {} : { tag }) },
    request: { host: "mirror.example.com" },
  });
  const repository = async () =>
    (await call(image, `${service}/images/${digestOf(5)}`, { token: account.admin })).repository;
  await notify(pushed(5, "2026-03-11T10:00:00Z"));
  await notify(mirrored("2026-03-11T11:00:00Z"));
  expect(await repository()).toBe("registry.example.com/acme/hello");
  await notify(mirrored("2026-03-11T11:00:00Z", "latest"));
  expect(await repository()).toBe("mirror.example.com/acme/hello");
  await notify({ ...mirrored("2026-03-11T10:00:00Z", "latest"), id: "late" });
  expect(await repository()).toBe("mirror.example.com/acme/hello");
});

test("what is no notification is refused and changes nothing", async ({ cluster }) => {
  const path = `${service}/registry-events`;
  const before = (await spawnedImage(cluster))?.digest;
  const refused = await refusal(path, { token: account.admin, json: { action: "push" } });
  expect(refused).toMatchObject({ status: 400, code: "bad_request" });
  expect((await spawnedImage(cluster))?.digest).toBe(before);
});
