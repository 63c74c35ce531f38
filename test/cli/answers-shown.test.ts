import { describe, expect, test } from "vitest";
import * as answers from "./answers.ts";
import { startRecordedApi } from "./recorded-api.ts";
import { acmeToken, slipway, slipwayAsAcme } from "./slipway.ts";

describe("what an answer becomes", { timeout: 30_000 }, () => {
  test("every request carries the token, and a body its content type", async () => {
    await using api = await startRecordedApi([{ status: 201, body: answers.hello }]);
    await slipwayAsAcme(api.url, ["services", "create", "hello"]);
    expect(api.requests[0]?.headers).toMatchObject({
      authorization: `Bearer ${acmeToken}`,
      "content-type": "application/json",
    });
  });

  test("an account is created with the root token, and its admin token is shown once", async () => {
    await using api = await startRecordedApi([{ status: 201, body: answers.acmeAccount }]);
    const ended = await slipway(["accounts", "create", "acme", "--root-token", "root", "--api-url", api.url]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(api.requests).toMatchObject([{ method: "POST", url: "/v3/accounts", body: { name: "acme" } }]);
    expect(api.requests[0]?.headers.authorization).toBe("Bearer root");
    expect(ended.stdout).toContain("acme_abcdefghjkm2.secret");
    expect(ended.stdout).toContain("it is not shown again");
  });

  test.for([
    ["50000", 50_000],
    ["default", null],
  ] as const)("a quota is set to %s with the root token", async ([text, limit]) => {
    await using api = await startRecordedApi([{ body: answers.acmeQuotas }]);
    const args = ["accounts", "set-quota", "acme", "environments", text, "--root-token", "root"];
    const ended = await slipway([...args, "--api-url", api.url]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(api.requests).toMatchObject([
      { method: "PATCH", url: "/v3/accounts/acme", body: { quotas: { environments: limit } } },
    ]);
    expect(api.requests[0]?.headers.authorization).toBe("Bearer root");
    expect(ended.stdout).toContain("environments    12    10000");
  });

  test("a table has aligned columns and a dash for what is not there", async () => {
    await using api = await startRecordedApi([{ body: { environments: [answers.prod, answers.unpushed] } }]);
    const { stdout } = await slipwayAsAcme(api.url, ["env", "list", "hello"]);
    expect(stdout).toBe(
      [
        "NAME     IMAGE   DIGEST               REVISION  CLUSTER  LIVE  LAST SPAWNED",
        "prod     v12     sha256:aaaaaaaaaaaa  7         eu-prod  3     2026-11-24T10:30:00.000Z",
        "default  latest  -                    1         -        0     -",
        "",
      ].join("\n"),
    );
  });

  test("a cluster is shown with how it is and with its agents, one that never sent a heartbeat without them", async () => {
    const { agents: _agents, last_heartbeat_at: _lastHeartbeat, ...unobserved } = answers.healthyEuProd;
    await using api = await startRecordedApi([
      { body: answers.healthyEuProd },
      { body: { ...unobserved, health: "unknown", agents: [] } },
    ]);
    const healthy = (await slipwayAsAcme(api.url, ["clusters", "show", "eu-prod"])).stdout;
    expect(healthy.split("\n").slice(-7)).toEqual([
      "health                healthy",
      "last_heartbeat        2026-11-24T10:30:00.000Z",
      "",
      "AGENT  VERSION  DRAINING  BACKENDS  CAPACITY  DISK FREE            LAST HEARTBEAT",
      "eu-1   1.2.0    -         3         40        1.5 GiB of 20.0 GiB  2026-11-24T10:30:00.000Z",
      "eu-0   1.1.0    yes       1         -         -                    2026-11-23T09:00:00.000Z",
      "",
    ]);
    const unknown = (await slipwayAsAcme(api.url, ["clusters", "show", "eu-prod"])).stdout;
    expect(unknown).toMatch(/\nhealth +unknown\nlast_heartbeat +-\n$/);
  });

  test("an empty list says so", async () => {
    await using api = await startRecordedApi([{ body: { clusters: [] } }]);
    expect((await slipwayAsAcme(api.url, ["clusters", "list"])).stdout).toBe("none\n");
  });

  test("--json prints the API's JSON, with fields that this command does not know", async () => {
    const answer = { ...answers.prod, added_later: { by: "a newer Slipway" } };
    await using api = await startRecordedApi([{ body: answer }]);
    const { stdout } = await slipwayAsAcme(api.url, ["env", "show", "hello/prod", "--json"]);
    expect(JSON.parse(stdout)).toEqual(answer);
  });

  test("--json prints nothing for an answer without a body", async () => {
    await using api = await startRecordedApi([{ status: 204 }]);
    const ended = await slipwayAsAcme(api.url, ["--json", "services", "delete", "hello"]);
    expect(ended).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("a ping that does not arrive is reported with exit code 1", async () => {
    await using api = await startRecordedApi([
      { body: { delivered: false, duration_ms: 10_000, error: "the cluster did not answer in time" } },
    ]);
    const ended = await slipwayAsAcme(api.url, ["clusters", "test", "eu-prod"]);
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout).toBe("Not delivered in 10000 ms. the cluster did not answer in time\n");
  });

  test("a pin with --if-revision is conditional on that revision", async () => {
    await using api = await startRecordedApi([{ body: answers.pinned }, { body: answers.pinned }]);
    await slipwayAsAcme(api.url, ["env", "pin", "hello/prod", "v12", "--if-revision", "6"]);
    await slipwayAsAcme(api.url, ["env", "pin", "hello/prod", "v12"]);
    expect(api.requests.map(({ headers }) => headers["if-match"])).toEqual(['"6"', undefined]);
  });

  test("a key of another user cannot drive the terminal", async () => {
    await using api = await startRecordedApi([
      { body: { backends: [{ ...answers.backend, key: "\u001b]0;owned\u0007\u202e" }] } },
    ]);
    const { stdout } = await slipwayAsAcme(api.url, ["backends", "list", "hello"]);
    expect(stdout).toContain("\ufffd]0;owned\ufffd\ufffd");
  });
});

describe("lists", { timeout: 30_000 }, () => {
  const page = (names: string[], next_cursor?: string) => ({
    body: {
      services: names.map((name) => ({ name, created_at: answers.hello.created_at })),
      ...(next_cursor === undefined ? {} : { next_cursor }),
    },
  });

  test("a list follows its cursors to the end", async () => {
    await using api = await startRecordedApi([
      page(["c", "b"], "after b/&"),
      { body: { ...page(["a"]).body, previous_cursor: "~a" } },
    ]);
    const { stdout } = await slipwayAsAcme(api.url, ["services", "list", "--json"]);
    expect(api.requests.map(({ url }) => url)).toEqual([
      "/v3/accounts/acme/services?limit=200",
      "/v3/accounts/acme/services?limit=200&cursor=after+b%2F%26",
    ]);
    expect(JSON.parse(stdout)).toEqual(page(["c", "b", "a"]).body);
  });

  test("--limit counts over all pages, and the JSON keeps the cursor of what is left", async () => {
    await using api = await startRecordedApi([page(["d", "c"], "2"), page(["b"], "3"), page(["a"])]);
    const { stdout } = await slipwayAsAcme(api.url, ["services", "list", "--limit", "3", "--json"]);
    expect(api.requests.map(({ url }) => url)).toEqual([
      "/v3/accounts/acme/services?limit=3",
      "/v3/accounts/acme/services?limit=1&cursor=2",
    ]);
    expect(JSON.parse(stdout)).toEqual(page(["d", "c", "b"], "3").body);
  });

  test("a limit above a page's most asks for full pages", async () => {
    const many = Array.from({ length: 200 }, (_, i) => `s${i}`);
    await using api = await startRecordedApi([page(many, "2"), page(["last"])]);
    await slipwayAsAcme(api.url, ["services", "list", "--limit", "250"]);
    expect(api.requests.map(({ url }) => url)).toEqual([
      "/v3/accounts/acme/services?limit=200",
      "/v3/accounts/acme/services?limit=50&cursor=2",
    ]);
  });
});
