import { eventStream } from "jamsocket/lib/lib/request.js";
import { describe, expect, test, vi } from "vitest";
import { statusOk } from "../../../src/protocol/jamsocket/v1.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { call as request } from "../../support/api.ts";
import { openEventStream } from "../../support/event-streams.ts";
import { startRegistryDeployment } from "../../support/registry/deployment.ts";
import { allIdle } from "../../support/streams/idle-streams.ts";
import { hasReceived, startWatchedWorker } from "../../support/streams/watched-worker.ts";

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 100 });

describe("a client that leaves an idle stream", () => {
  test("leaves the shard's one follower to those who stay, and they miss nothing", {
    timeout: 180_000,
  }, async () => {
    await using worker = await startWatchedWorker();
    const id = await worker.spawn();
    // The first follows the shard for all.
    const [leaving, staying] = [await worker.streamOf(id), await worker.streamOf(id)];
    const readByCli: string[] = [];
    const url = `${worker.workerd.origin}/v2/backend/${id}/status/stream`;
    const cli = eventStream(url, {}, (event) => readByCli.push(event));
    await until(() => expect(readByCli).toHaveLength(1));
    expect(await worker.followersOf(id)).toBe(1);
    const before = await worker.awakenings();
    leaving.leave();
    await until(async () => expect(await worker.awakenings()).not.toEqual(before));
    await allIdle([staying]);
    expect(await worker.followersOf(id)).toBe(1);
    await worker.report(id, "terminated");
    await until(() => expect(staying.isOver).toBe(true));
    await cli.closed;
    expect(hasReceived(staying, "terminated")).toBe(true);
    // The CLI's own reader passes over the empty lines between.
    expect(readByCli).toEqual(staying.events);
    await until(async () => expect(await worker.followersOf(id)).toBe(0));
  });
});

describe("a stream that is killed with the server", () => {
  test("breaks off, and who reconnects sees the replay and what follows", async () => {
    await using deployment = await startRegistryDeployment();
    const { api, worker } = deployment;
    await deployment.createService("hello");
    const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
    await request(api, image, "/v3/accounts/acme/services/hello/images", { json });
    const path = "/v2/service/acme/hello/connect";
    const { backend_id, status_url } = await request(api, connectAnswer, path, { json: {} });
    const terminate = (hard: boolean) =>
      request(api, statusOk, `/v2/backend/${backend_id}/terminate`, { json: { hard } });

    const stream = await openEventStream(`${status_url}/stream`);
    await terminate(false);
    await until(() => expect(hasReceived(stream, "terminating")).toBe(true));
    await worker.kill();
    await until(() => expect(stream.isOver).toBe(true));
    await worker.start();

    const again = await openEventStream(`${status_url}/stream`);
    await until(() => expect(again.events).toEqual(stream.events));
    await terminate(true);
    await until(() => expect(hasReceived(again, "hard-terminating")).toBe(true));
    expect(again.events).toHaveLength(3);
    again.leave();
  });
});
