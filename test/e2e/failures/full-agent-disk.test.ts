import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import type { z } from "zod";
import { nodeImage } from "../../../src/local/node-image.ts";
import { pushImage } from "../../../src/local/push-image.ts";
import { backendAnswer, connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { observedCluster } from "../../../src/protocol/v3/clusters.ts";
import { deliveryList } from "../../../src/protocol/v3/deliveries.ts";
import { pinAnswer } from "../../../src/protocol/v3/services.ts";
import { call, connectToDemo, untilStatus } from "../../support/api.ts";
import { createCluster, startAgentCommand } from "../../support/clusters/agent-command.ts";
import { makeFolder } from "../../support/folder.ts";
import { startLocalSystem } from "../../support/local-system.ts";
import { run } from "../../support/process.ts";
import { mountSmallDisk, whyNoSmallDisk } from "../../support/small-disk.ts";

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const diskBytes = 32 * 1024 * 1024;
const reason = "the disk of this cluster's agent is full";
const cluster = "/v3/accounts/demo/clusters/small";

const program = `
process.on("SIGTERM", () => process.exit(5));
require("node:http").createServer((_, response) => response.end("here")).listen(process.env.PORT, "127.0.0.1");
`;

test("a spawn that an agent's disk has no room for is sent again until it has, and everybody can see why it waits", {
  timeout: 180_000,
}, async ({ skip }) => {
  const whyNot = whyNoSmallDisk();
  skip(whyNot !== null, whyNot ?? "");
  await using folder = await makeFolder();
  using disk = mountSmallDisk(diskBytes);
  await using system = await startLocalSystem(join(folder.path, "local"));
  const { local } = system;
  const { api_url: apiUrl, account, token } = local;
  await pushImage({ apiUrl, account, service: "hello-world", token }, nodeImage(program), ["plain"]);
  const env = await createCluster(local, "small", join(disk.path, "agent"));
  await call(local, pinAnswer, "/v3/accounts/demo/services/hello-world/environments/small/pin", {
    method: "PUT",
    json: { image: "plain" },
  });
  await using agent = await startAgentCommand({ ...env, SLIPWAY_RUNTIME: "process" });
  const lives = await connectToDemo(local, "small", { key: "lives" });
  const ends = await connectToDemo(local, "small", { key: "ends" });
  const lastStatus = async (id: string) =>
    (await call(local, backendAnswer, `/v2/backend/${id}`)).statuses.at(-1);
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 100 });

  await eventually(async () => {
    // Somebody takes all that the agent makes free.
    disk.fill();
    const { agents } = await call(local, observedCluster, cluster);
    expect(agents[0]?.disk?.free_bytes).toBeLessThan(diskBytes / 100);
  });
  const shown = await run([process.execPath, main, "clusters", "show", "small"], {
    env: { SLIPWAY_API_URL: apiUrl, SLIPWAY_TOKEN: token },
  });
  expect(shown.output).toMatch(/\b\d+ B of 32\.0 MiB/);

  // What runs goes on, and what ends is reported.
  expect(await (await fetch(lives.url)).text()).toBe("here");
  await fetch(`${apiUrl}/v2/backend/${ends.backend_id}/terminate`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ hard: false }),
  });
  await eventually(async () =>
    expect(await lastStatus(ends.backend_id)).toMatchObject({ status: "terminated", exit_code: 5 }),
  );
  expect(await lastStatus(lives.backend_id)).toMatchObject({ status: "ready" });

  const deliveryOf = async (backendId: string) => {
    const { deliveries } = await call(local, deliveryList, `${cluster}/deliveries`);
    return deliveries.find(({ type, backend_id }) => type === "backend.spawn" && backend_id === backendId);
  };
  /** Until a spawn finds no room. */
  async function refused(attempt = 1): Promise<z.infer<typeof connectAnswer>> {
    disk.fill();
    const connected = await call(local, connectAnswer, "/v2/service/demo/hello-world/small/connect", {
      json: { key: `waits-${attempt}` },
    });
    const outcome = await vi.waitFor(
      async () => {
        const delivery = await deliveryOf(connected.backend_id);
        expect(delivery).toBeDefined();
        return delivery?.outcome;
      },
      { timeout: 60_000, interval: 100 },
    );
    return outcome === "delivered" ? refused(attempt + 1) : connected;
  }
  // It is given up after a minute: what takes time comes before it, or after.
  const waits = await refused();
  await eventually(async () => {
    const delivery = await deliveryOf(waits.backend_id);
    expect(delivery?.outcome).toBe("retrying");
    const attempts = delivery?.attempts ?? [];
    expect(attempts.length).toBeGreaterThan(1);
    // Before the agent has measured it, a write has found it full.
    for (const { status, error } of attempts) {
      expect([status, error]).toEqual([503, expect.stringMatching(/disk of this cluster's agent/)]);
    }
    expect(attempts.map(({ error }) => error)).toContainEqual(expect.stringContaining(reason));
  });
  // What the agent measures comes with its next heartbeat.
  await eventually(async () => {
    const page = await fetch(`${apiUrl}/clusters/small`, { headers: { cookie: `slipway_session=${token}` } });
    const html = await page.text();
    expect(html).toContain('<span class="badge bad">full</span>');
    expect(html.replaceAll("&#39;", "'")).toContain(reason);
  });

  disk.makeRoom();
  await untilStatus(waits.status_url, "ready");
  expect(await (await fetch(waits.url)).text()).toBe("here");
  await eventually(async () => expect((await deliveryOf(waits.backend_id))?.outcome).toBe("delivered"));
  expect(await lastStatus(lives.backend_id)).toMatchObject({ status: "ready" });
  expect(agent.events().flatMap(({ event }) => (event === "lease.lost" ? [event] : []))).toEqual([]);
});
