import { expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../../support/browser/browser.ts";
import { share } from "../../support/shared.ts";
import { backendId, startConnections, startHttpBackend } from "../support/connections.ts";

let browser: TestBrowser;

share({
  programs: ["chromium"],
  async start(stack) {
    browser = stack.use(await startBrowser());
  },
});

test("a page of another origin reads the proxy's answers in a browser, and a backend's, whose own rules hold", async () => {
  const backend = await startHttpBackend((request, response) => {
    if (request.url === "/closed") response.setHeader("access-control-allow-origin", "https://app.example");
    response.end(`${request.method} ${request.headers["x-own"]}`);
  });
  const app = await startHttpBackend((_request, response) =>
    response.setHeader("content-type", "text/html").end("<!doctype html><title>app</title>"),
  );
  const connections = await startConnections();
  connections.serve(backend.port);
  connections.ended.add("k3f9q0000000z");
  const path = await connections.path();
  const bearer = { authorization: "Bearer nonsense" };
  const asked: [path: string, init: { method: string; headers: Record<string, string> }][] = [
    [`${path}/`, { method: "GET", headers: {} }],
    [`${path}/`, { method: "PUT", headers: { "x-own": "1" } }],
    [path, { method: "GET", headers: {} }],
    [`${path}/closed`, { method: "GET", headers: {} }],
    [`/${backendId}/nonsense/`, { method: "GET", headers: {} }],
    [`/${backendId}/nonsense/`, { method: "DELETE", headers: { "x-own": "1", ...bearer } }],
    ["/k3f9q0000000z/x/", { method: "PUT", headers: bearer }],
    ["/k3f9qunheard0/x/", { method: "PUT", headers: bearer }],
  ];
  const { page } = await browser.openWindow();
  await page.goto(`http://127.0.0.1:${app.port}/`);
  const seen: unknown[] = [];
  for (const [target, init] of asked) {
    const url = connections.url + target;
    seen.push(
      await page.evaluate(
        ([address, options]) =>
          fetch(address, options).then(
            async (response) => [response.status, response.status === 200 ? await response.text() : ""],
            (error) => error.name,
          ),
        [url, init] as const,
      ),
    );
  }
  expect(seen).toEqual([
    [200, "GET undefined"],
    [200, "PUT 1"],
    [200, "GET undefined"],
    "TypeError",
    [401, ""],
    [401, ""],
    [410, ""],
    [404, ""],
  ]);
});
