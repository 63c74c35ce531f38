import { expect, test, vi } from "vitest";
import { connectAnswer, runningBackendsAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { observedCluster } from "../../src/protocol/v3/clusters.ts";
import { eventList } from "../../src/protocol/v3/events.ts";
import { call, untilStatus } from "../support/api.ts";
import { startTwoClusters, type TwoClusters } from "../support/clusters/two-clusters.ts";
import { watchLife } from "../support/life.ts";

/** Longer than a silent cluster is waited for. */
const absentMs = 75_000;
const lostAfterMs = 60_000;

/** Connects as the agent reaches Slipway, which is where it pulls the image from. */
async function connectToLife({ api, links }: TwoClusters, json: object) {
  const path = "/v2/service/acme/hello/prod/connect";
  const through = { ...api, api_url: links.toSlipway.url };
  const { backend_id: id, status_url, url } = await call(through, connectAnswer, path, { json });
  await untilStatus(status_url, "ready");
  return { id, ...(await watchLife(url)) };
}

test("a control plane that is gone for 75 s takes no cluster for lost when it is back, and ends no session without a key", {
  timeout: 400_000,
}, async () => {
  await using system = await startTwoClusters();
  const { api, controlPlane, near } = system;
  // Its attempts to pull ahead, by the name that it has no token for, are over: a spawn would join one.
  const pulls = () => near.events().filter(({ event }) => event === "image.pulled");
  await vi.waitFor(() => expect(pulls()).toHaveLength(2), { timeout: 30_000 });
  using unkeyed = await connectToLife(system, {});
  using keyed = await connectToLife(system, { key: "doc-1" });
  const show = () => call(api, observedCluster, "/v3/accounts/acme/clusters/near");
  await vi.waitFor(async () => expect((await show()).agents[0]?.backends).toBe(2), { timeout: 30_000 });

  await controlPlane.kill();
  const goneAt = Date.now();
  await vi.waitUntil(() => Date.now() - goneAt >= absentMs, { timeout: 2 * absentMs, interval: 1_000 });
  await controlPlane.start();
  const backAt = Date.now();

  const healths = new Set<string>();
  await vi.waitUntil(
    async () => {
      healths.add((await show()).health);
      return Date.now() - backAt > lostAfterMs + 10_000;
    },
    { timeout: 3 * lostAfterMs, interval: 1_000 },
  );
  expect([...healths].filter((health) => health === "lost")).toEqual([]);
  expect((await show()).health).toBe("healthy");
  const losses = await call(api, eventList, "/v3/accounts/acme/events?type=cluster.lost");
  expect(losses.events).toEqual([]);

  // The agent has fenced what held a key, as it must without an answer, and nothing else.
  expect(await near.children()).toContain(unkeyed.pid);
  expect(await near.children()).not.toContain(keyed.pid);
  const { running_backends } = await call(api, runningBackendsAnswer, "/v2/account/acme/backends");
  expect(running_backends.map(({ id }) => id)).toEqual([unkeyed.id]);
});
