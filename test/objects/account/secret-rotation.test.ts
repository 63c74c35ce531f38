import { runInDurableObject } from "cloudflare:test";
import { Webhook } from "standardwebhooks";
import { describe, expect, vi } from "vitest";
import { formatSigningSecret } from "../../../src/protocol/webhooks/signature.ts";
import { frozenAt, passTime } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

const day = 24 * 3600 * 1000;
const [second, third] = [2, 3].map((n) => formatSigningSecret(new Uint8Array(32).fill(n))) as [
  string,
  string,
];

/** Which of the secrets verify the next spawn's webhook, oldest first. */
async function signing(cluster: ScriptedCluster, hello: Hello): Promise<string[]> {
  value(await hello.connect());
  const sent = cluster.of("backend.spawn").at(-1);
  const names = { first: hello.signingSecret, second, third };
  return Object.entries(names).flatMap(([name, secret]) => {
    const expected = new Webhook(secret).sign(
      sent?.headers["webhook-id"] ?? "",
      new Date(Date.now()),
      sent?.body ?? "",
    );
    return sent?.headers["webhook-signature"]?.split(" ").includes(expected) ? [name] : [];
  });
}

async function stored(hello: Hello): Promise<string[]> {
  const { clusters } = value(await hello.accountObject.config());
  return clusters.flatMap(({ secrets }) => secrets.map(({ secret }) => secret));
}

/** The secrets that the service's own copy of the configuration holds. */
function known(hello: Hello): Promise<string> {
  return runInDurableObject(hello.service(), (_, { storage }) =>
    String(storage.sql.exec("SELECT config FROM service").one().config),
  );
}

describe("rotating a cluster's signing secret", () => {
  test("has both secrets sign from the very next webhook until 24 h have passed, and then only the new one", async ({
    pinned: hello,
    cluster,
  }) => {
    expect(await signing(cluster, hello)).toEqual(["first"]);
    expect(value(await hello.accountObject.rotateSecret("main", second, caller))).toEqual({
      name: "main",
      previous_valid_until: "2030-01-02T00:00:00.000Z",
    });
    expect(await signing(cluster, hello)).toEqual(["first", "second"]);
    vi.setSystemTime(frozenAt + day - 1);
    expect(await signing(cluster, hello)).toEqual(["first", "second"]);
    vi.setSystemTime(frozenAt + day);
    expect(await signing(cluster, hello)).toEqual(["second"]);
  });

  test("again within the overlap stops the oldest at once", async ({ pinned: hello, cluster }) => {
    value(await hello.accountObject.rotateSecret("main", second, caller));
    vi.setSystemTime(frozenAt + 1000);
    value(await hello.accountObject.rotateSecret("main", third, caller));
    expect(await signing(cluster, hello)).toEqual(["second", "third"]);
    vi.setSystemTime(frozenAt + day + 1000);
    expect(await signing(cluster, hello)).toEqual(["third"]);
  });

  test("leaves no secret that is over in the account, nor with its services", async ({ pinned: hello }) => {
    value(await hello.accountObject.rotateSecret("main", second, caller));
    await passTime(hello.accountObject, 3_000);
    expect(await stored(hello)).toEqual([second, hello.signingSecret]);
    vi.setSystemTime(frozenAt + day);
    expect(await passTime(hello.accountObject, 0)).toBe(true);
    expect(await stored(hello)).toEqual([second]);
    expect(await known(hello)).toContain(second);
    expect(await known(hello)).not.toContain(hello.signingSecret);
  });

  test("rotates once for each Idempotency-Key, and refuses to make the secret again that signs already", async ({
    pinned: hello,
    cluster,
  }) => {
    const idempotency = { principal: "atoken000000", key: "k", requestHash: "h" };
    const first = value(await hello.accountObject.rotateSecret("main", second, { ...caller, idempotency }));
    vi.setSystemTime(frozenAt + 1000);
    expect(value(await hello.accountObject.rotateSecret("main", second, { ...caller, idempotency }))).toEqual(
      first,
    );
    expect(await stored(hello)).toEqual([second, hello.signingSecret]);
    vi.setSystemTime(frozenAt + day + 2000);
    expect(code(await hello.accountObject.rotateSecret("main", second, { ...caller, idempotency }))).toBe(
      "already_exists",
    );
    expect(await signing(cluster, hello)).toEqual(["second"]);
  });

  test("is refused for a cluster that does not exist", async ({ hello }) => {
    expect(code(await hello.accountObject.rotateSecret("mian", second, caller))).toBe("cluster_not_found");
  });
});
