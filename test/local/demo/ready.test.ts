import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { untilDemoStarts } from "../../../src/local/demo/ready.ts";

const draining = [{ code: "cluster_unavailable", message: "cluster `local-staging` is draining" }];

/** An API that gives one resolution after another, the last one again and again; `null`: there is no environment. */
async function apiThatResolves(answers: readonly (Record<string, unknown> | null)[]) {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    const next = answers[Math.min(paths.length, answers.length - 1)] ?? null;
    paths.push(request.url ?? "");
    response.statusCode = next === null ? 404 : 200;
    response.setHeader("content-type", "application/json");
    const error = { error: { status: 404, code: "environment_not_found", message: "not found", id: "1" } };
    response.end(JSON.stringify(next ?? error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  return { apiUrl: `http://127.0.0.1:${address.port}`, paths };
}

const resolution = (changes: Record<string, unknown> = {}) => ({
  environment: "staging",
  action: "spawn",
  image: "v2",
  digest: `sha256:${"1".repeat(64)}`,
  revision: 1,
  cluster: "local-staging",
  refusals: [],
  ...changes,
});
const refused = resolution({ action: "refuse", refusals: draining });
const never = new AbortController().signal;

test("a start waits while a demo's cluster drains, as an agent that was stopped has left it", async () => {
  const { apiUrl, paths } = await apiThatResolves([refused, refused, resolution()]);
  await untilDemoStarts({ apiUrl, token: "demo_x.y" }, never);
  const [staging, prod] = ["staging", "prod"].map(
    (name) => `/v3/accounts/demo/services/hello-world/environments/${name}/resolve`,
  );
  expect(paths).toEqual([staging, staging, staging, prod]);
});

test.for([
  ["another cluster, which its user may have drained", { ...refused, cluster: "eu-prod" }],
  ["another reason", { ...refused, refusals: [{ code: "image_not_found", message: "no such image" }] }],
  ["an environment that its user has deleted", null],
] as const)("a start does not wait for %s", async ([, answer]) => {
  const { apiUrl, paths } = await apiThatResolves([answer]);
  await untilDemoStarts({ apiUrl, token: "demo_x.y" }, never);
  expect(paths).toHaveLength(2);
});

test("a start that is broken off waits no longer", async () => {
  const { apiUrl } = await apiThatResolves([refused]);
  const breaking = new AbortController();
  const waiting = untilDemoStarts({ apiUrl, token: "demo_x.y" }, breaking.signal);
  breaking.abort();
  await waiting;
});
