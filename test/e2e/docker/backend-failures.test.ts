import { expect, test, vi } from "vitest";
import { v1State } from "../../../src/protocol/jamsocket/v1.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { call, untilStatus } from "../../support/api.ts";
import { type DockerCluster, pushBusybox, startDockerCluster } from "../../support/docker/cluster.ts";
import { shown, statusesShown, succeeding } from "../../support/jamsocket.ts";
import { share } from "../../support/shared.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;

let cluster: DockerCluster;

share({
  programs: ["dockerd", "docker", "busybox"],
  async start(stack) {
    cluster = stack.use(await startDockerCluster());
  },
});

const jamsocket = (...args: string[]) => succeeding(cluster.jamsocket, ...args);

/** Connects with the CLI to a backend that is to end by itself. @returns what there is to see of that */
async function failing(...args: string[]) {
  const output = await jamsocket("connect", ...args);
  const id = shown(output, "backend id");
  await untilStatus(shown(output, "status url"), "terminated");
  const statuses = statusesShown(await jamsocket("backend", "info", id));
  const logs = await jamsocket("backend", "logs", id);
  const { state } = await call(cluster.api, v1State, `/v1/backend/${id}/status`);
  await vi.waitFor(async () => expect(await cluster.containers()).toEqual([]), { timeout: 30_000 });
  return { output, id, statuses, logs, state };
}

/** Records an image of some registry, and pins a new environment to it with the CLI. */
async function pin(name: string, recorded: { digest: string; repository?: string }, startupSeconds?: number) {
  const settings = startupSeconds === undefined ? undefined : { startup_timeout_seconds: startupSeconds };
  await call(cluster.api, image, "/v3/accounts/acme/services/hello/images", { json: recorded });
  await cluster.addEnvironment(name, "latest", settings);
  await jamsocket("service", "use-image", `hello/${name}`, "-i", recorded.digest);
}

/** Why the agent gave a backend up, as it logged it. */
function failuresLogged(id: string): unknown[] {
  return cluster.agent
    .events()
    .flatMap(({ event, backend_id, error }) =>
      backend_id === id && /^backend\.(failed|pull_retry)$/.test(event) ? [error] : [],
    );
}

test("a crash on start is shown as one, with its exit code and what it printed, and its key is free again", async () => {
  const script = 'echo "looking for $DATABASE"; echo "there is none" >&2; exit 3';
  await pushBusybox(cluster, "crashing", ["/bin/busybox", "sh", "-c", script]);
  await cluster.addEnvironment("crashing", "crashing");
  const args = ["hello/crashing", "-k", "doc-1", "-e", "DATABASE=db.example.com"];
  const first = await failing(...args);
  expect(first.statuses).toEqual([
    ...["scheduled", "loading", "starting", "waiting"],
    "terminated (reason: none, kind: none, exit code: 3)",
  ]);
  expect(first.state).toBe("ErrorStarting");
  // The engine promises no order of what is printed to two places at once.
  expect(first.logs.split("\n")).toEqual(
    expect.arrayContaining(["looking for db.example.com", "there is none"]),
  );
  expect(shown((await failing(...args)).output, "spawned")).toBe("true");
});

test("an image that cannot be started ends its backend in the engine's words", async () => {
  await pushBusybox(cluster, "nowhere", ["/nowhere/to/be/found"]);
  await cluster.addEnvironment("nowhere", "nowhere");
  const { id, statuses, logs } = await failing("hello/nowhere");
  expect(statuses).toEqual([
    ...["scheduled", "loading", "starting"],
    "terminated (reason: internalerror, kind: hard, exit code: none)",
  ]);
  expect(logs).toMatch(/slipway: the backend never started: .*cannot be started: .*\/nowhere\/to\/be\/found/);
  expect(failuresLogged(id)).toMatchObject([{ message: expect.stringContaining("/nowhere/to/be/found") }]);
});

test("a digest that its registry does not have ends the backend at once, and says so", async () => {
  await pin("missing", { digest: digest("1") });
  const { id, statuses, logs } = await failing("hello/missing");
  expect(statuses).toEqual([
    ...["scheduled", "loading"],
    "terminated (reason: internalerror, kind: hard, exit code: none)",
  ]);
  const reference = `${cluster.repository}@${digest("1")}`;
  expect(logs).toContain(`slipway: the backend never started: image \`${reference}\` cannot be pulled: `);
  expect(logs).toContain("manifest unknown");
  expect(failuresLogged(id)).toMatchObject([
    { code: "image_not_found", message: expect.stringContaining(reference) },
  ]);
});

test("a registry that is not reached is retried until the startup timeout, which ends the backend and says why", async () => {
  const repository = "127.0.0.1:9/elsewhere/hello";
  await pin("unreachable", { digest: digest("2"), repository }, 3);
  const { id, statuses, logs, state } = await failing("hello/unreachable");
  expect(statuses.slice(0, 2)).toEqual(["scheduled", "loading"]);
  expect(statuses.at(-1)).toBe("terminated (reason: startuptimeout, kind: hard, exit code: none)");
  expect(state).toBe("ErrorLoading");
  expect(logs).toMatch(/slipway: the backend never started: .*cannot be pulled: .*connection refused/);
  expect(logs).toContain(`${repository}@${digest("2")}`);
  const failures = failuresLogged(id);
  expect(failures.length).toBeGreaterThan(1);
  expect(failures[0]).toMatchObject({ code: "unavailable" });
});
