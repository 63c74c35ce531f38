import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { rotatedSecret } from "../../../src/protocol/v3/clusters.ts";
import { deliveryAttempt, deliveryList } from "../../../src/protocol/v3/deliveries.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  refusal,
  send,
} from "../../support/worker/api.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";

/** An account with a cluster, and a service whose only image was announced to it. */
async function setUp() {
  const account = await createAccount();
  const token = account.admin;
  const { signing_secret } = await createCluster(account);
  const service = await createService(account);
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  expect((await send(`${service}/images`, { token, json })).status).toBe(201);
  const path = `/v3/accounts/${account.name}/clusters/main`;
  const list = (query = "") => call(deliveryList, `${path}/deliveries${query}`, { token });
  return {
    account,
    token,
    path,
    list,
    signing_secret,
    logged: (count: number) =>
      vi.waitFor(async () => {
        vi.setSystemTime(Date.now() + 12_000);
        await runDurableObjectAlarm(serviceStub(env, account.name, "hello"));
        const { deliveries } = await list();
        expect(deliveries).toHaveLength(count);
        return deliveries;
      }),
  };
}

describe("the deliveries of a cluster", () => {
  test("are listed in pages, and one can be sent again", async ({ cluster }) => {
    const { account, token, path, list, logged } = await setUp();
    vi.setSystemTime(Date.now() + 1_000);
    const connect = `/v2/service/${account.name}/hello/connect`;
    const { backend_id } = await call(connectAnswer, connect, { token, json: {} });
    const [spawn, pinned] = await logged(2);
    expect(spawn).toMatchObject({ id: `${backend_id}_spawn`, service: "hello", outcome: "delivered" });
    const first = await list("?limit=1");
    const second = await list(`?limit=1&cursor=${first.next_cursor}`);
    expect([first.deliveries, second.deliveries, second.next_cursor]).toEqual([[spawn], [pinned], undefined]);
    expect((await list("?outcome=failed")).deliveries).toEqual([]);
    expect((await list("?service=other")).deliveries).toEqual([]);

    const redeliver = `${path}/deliveries/${spawn?.id}/redeliver`;
    const attempt = await call(deliveryAttempt, redeliver, { method: "POST", token });
    expect(attempt).toMatchObject({ attempt: 2, status: 200, error: null });
    expect((await list("?limit=1")).deliveries[0]?.attempts[1]).toEqual(attempt);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });

  test("hold the test of a cluster too", async ({ cluster }) => {
    const { token, path, list } = await setUp();
    cluster.always(() => new Response(null, { status: 502 }));
    await send(`${path}/test`, { method: "POST", token });
    expect((await list("?outcome=failed")).deliveries).toMatchObject([
      { type: "cluster.ping", outcome: "given_up", attempts: [{ attempt: 1, status: 502 }] },
    ]);
  });

  test.each(["?limit=0", "?limit=201", "?outcome=lost", "?service=No!", "?cursor=7", "?since=1"])(
    "requested with %s are 400",
    async (query) => {
      const { token, path } = await setUp();
      const { status, code } = await refusal(`${path}/deliveries${query}`, { token });
      expect([status, code]).toEqual([400, "bad_request"]);
    },
  );

  test("are 404 for a delivery or a cluster that does not exist, and 409 for one that is over", async () => {
    const { account, token, path, list } = await setUp();
    const refusalOf = async (of: string) => {
      const { status, code } = await refusal(of, { method: "POST", token });
      return [status, code];
    };
    expect(await refusalOf(`${path}/deliveries/nonsense/redeliver`)).toEqual([404, "delivery_not_found"]);
    const elsewhere = `/v3/accounts/${account.name}/clusters/mian`;
    expect(await refusalOf(`${elsewhere}/deliveries/nonsense/redeliver`)).toEqual([404, "cluster_not_found"]);
    expect((await refusal(`${elsewhere}/deliveries`, { token })).code).toBe("cluster_not_found");
    await send(`${path}/test`, { method: "POST", token });
    const [ping] = (await list()).deliveries;
    expect(await refusalOf(`${path}/deliveries/${ping?.id}/redeliver`)).toEqual([409, "delivery_over"]);
  });
});

describe("rotate-secret", () => {
  test("answers with a new secret, with which nothing else shows it again", async () => {
    const { token, path, signing_secret } = await setUp();
    const rotated = await call(rotatedSecret, `${path}/rotate-secret`, { method: "POST", token });
    expect(rotated).toMatchObject({ name: "main", previous_valid_until: "2030-01-02T00:00:00.000Z" });
    expect(rotated.signing_secret).toMatch(/^whsec_/);
    expect(rotated.signing_secret).not.toBe(signing_secret);
    expect(await (await send(path, { token })).text()).not.toContain(rotated.signing_secret);
  });

  test("refuses a body with any field, and a cluster that does not exist", async () => {
    const { account, token, path } = await setUp();
    expect((await refusal(`${path}/rotate-secret`, { token, json: { secret: "x" } })).status).toBe(400);
    const elsewhere = `/v3/accounts/${account.name}/clusters/mian/rotate-secret`;
    expect((await refusal(elsewhere, { method: "POST", token })).code).toBe("cluster_not_found");
  });
});
