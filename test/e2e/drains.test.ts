import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { dataLines } from "../../src/protocol/sse-lines.ts";
import { backend } from "../../src/protocol/v3/backends.ts";
import { type Drain, drain } from "../../src/protocol/v3/drains.ts";
import { environment } from "../../src/protocol/v3/services.ts";
import { call, connectToDemo, untilStatus } from "../support/api.ts";
import { makeFolder } from "../support/folder.ts";
import { startLocalSystem } from "../support/local-system.ts";
import { run } from "../support/process.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** What a drain's stream has said so far, and its end. */
async function watch(url: string, token: string) {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const said: Drain[] = [];
  const lines = dataLines(64 * 1024);
  const over = (async () => {
    for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      for (const line of lines.push(text)) said.push(drain.parse(JSON.parse(line)));
    }
  })();
  return { said, over };
}

test("a release drains what ran before it: keys get the new version, a session in use holds it up until it is left", {
  timeout: 240_000,
}, async () => {
  await using folder = await makeFolder();
  await using system = await startLocalSystem(join(folder.path, "state"));
  const { local } = system;
  const service = `/v3/accounts/${local.account}/services/hello-world`;
  const prod = await call(local, environment, `${service}/environments/prod`);
  const keyed = [];
  for (const key of ["one", "two"]) keyed.push(await connectToDemo(local, "prod", { key }));
  const used = await connectToDemo(local, "prod");
  const socket = new WebSocket(new URL("live", used.url.replace(/^http/, "ws")));
  await once(socket, "open");
  await call(local, z.looseObject({}), `${service}/environments/prod/pin`, {
    method: "PUT",
    json: { image: "v2" },
  });

  const begun = await call(local, drain, `${service}/drains`, {
    json: { environment: "prod", digest: prod.digest, rate_per_minute: 600 },
  });
  expect(begun).toMatchObject({ state: "draining", total: 3, live: 3 });
  const { said, over } = await watch(`${local.api_url}${service}/drains/${begun.id}/stream`, local.token);
  const watched = run([process.execPath, main, "env", "drains", "hello-world", "--watch", begun.id], {
    env: { SLIPWAY_API_URL: local.api_url, SLIPWAY_TOKEN: local.token },
  });

  for (const { status_url } of keyed) await untilStatus(status_url, "terminated");
  await vi.waitFor(() => expect(said.at(-1)).toMatchObject({ ended: 2, live: 1 }), { timeout: 20_000 });
  expect(said.at(-1)?.held_up_by).toEqual({ count: 1, backends: [used.backend_id] });
  const again = await connectToDemo(local, "prod", { key: "one" });
  expect(again.spawned).toBe(true);
  const { image } = await call(local, backend, `/v3/accounts/${local.account}/backends/${again.backend_id}`);
  expect(image.digest).not.toBe(prod.digest);
  expect(socket.readyState).toBe(WebSocket.OPEN);

  socket.close();
  await over;
  expect(said.at(-1)).toMatchObject({ state: "drained", total: 3, ended: 3, live: 0 });
  const ended = await watched;
  expect(ended.exitCode).toBe(0);
  expect(ended.stdout).toMatch(/drained: 3 of 3 ended\n$/);
  expect(ended.stdout).toContain(`waits for 1: ${used.backend_id}`);
});
