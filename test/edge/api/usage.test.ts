import { describe, expect } from "vitest";
import { z } from "zod";
import { environment } from "../../../src/protocol/v3/services.ts";
import { usageAnswer } from "../../../src/protocol/v3/usage.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  refusal,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

let account: TestAccount;
let service: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
  service = await createService(account);
  const { admin } = account;
  const image = { digest: `sha256:${"1".repeat(64)}`, tag: "latest" };
  await call(z.looseObject({}), `${service}/images`, { token: admin, json: image });
  for (const name of ["staging", "prod"]) {
    await call(environment, `${service}/environments`, { token: admin, json: { name } });
    const path = `/v2/service/${account.name}/hello/${name}/connect`;
    await call(z.looseObject({}), path, { token: admin, json: { key: "doc" } });
    await call(z.looseObject({}), path, { token: admin, json: { key: "doc" } });
  }
});

function usage(query: Record<string, string> = {}, token = account.admin) {
  return call(usageAnswer, `${service}/usage?${new URLSearchParams(query)}`, { token });
}

describe("the usage of a service", () => {
  test("is the last hour by the minute, for each environment, unless something else is requested", async () => {
    const { step_seconds, environments } = await usage();
    expect(step_seconds).toBe(60);
    expect(environments.map((usage) => usage.environment)).toEqual(["default", "staging", "prod"]);
    const [nothing, staging] = environments;
    expect(nothing?.totals).toEqual({ spawned: 0, reused: 0, refused: 0, ready: 0, failed: 0 });
    expect(staging?.totals).toEqual({ spawned: 1, reused: 1, refused: 0, ready: 0, failed: 0 });
    expect(staging?.startup).toBeNull();
    expect([60, 61]).toContain(staging?.points.length);
    const [first, second] = staging?.points.map(({ at }) => Date.parse(at)) ?? [];
    expect((second ?? 0) - (first ?? 0)).toBe(60_000);
    expect((first ?? 1) % 60_000).toBe(0);
  });

  test("is given for the range and the steps that are requested, in times of any offset", async () => {
    const { step_seconds, environments } = await usage({
      from: "2026-01-01T02:10:00+02:00",
      to: "2026-01-01T03:00:00Z",
      step_seconds: "3600",
    });
    expect(step_seconds).toBe(3600);
    expect(environments[0]?.points.map(({ at }) => at)).toEqual([
      "2026-01-01T00:00:00.000Z",
      "2026-01-01T01:00:00.000Z",
      "2026-01-01T02:00:00.000Z",
    ]);
  });

  test("is given for exactly 30 days", async () => {
    const { environments } = await usage({
      from: "2026-01-01T00:00:00Z",
      to: "2026-01-31T00:00:00Z",
      step_seconds: "86400",
    });
    expect(environments[0]?.points).toHaveLength(30);
  });

  test("covers the environments that a token is narrowed to, and no others", async () => {
    const { secret_token } = await createToken(account, {
      role: "read",
      service: "hello",
      environments: ["staging"],
    });
    const { environments } = await usage({}, secret_token);
    expect(environments.map((usage) => usage.environment)).toEqual(["staging"]);
  });

  test.each([
    ["a time that is none", { from: "yesterday" }],
    ["a time without an offset", { from: "2026-01-01T00:00:00" }],
    ["a day that does not exist", { to: "2026-02-30T00:00:00Z" }],
    ["a range that ends before it begins", { from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }],
    ["a range that begins after now", { from: "9999-01-01T00:00:00Z" }],
    [
      "a range before 1970",
      { from: "0000-01-01T00:00:00Z", to: "0000-01-02T00:00:00Z", step_seconds: "86400" },
    ],
    [
      "a range of more than 30 days",
      { from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", step_seconds: "86400" },
    ],
    ["too many steps", { from: "2026-01-01T00:00:00Z", to: "2026-01-01T06:41:00Z" }],
    ["steps of no length", { step_seconds: "0" }],
    ["steps of a negative length", { step_seconds: "-60" }],
    ["steps that are no number", { step_seconds: "minute" }],
    ["steps of half a minute", { step_seconds: "30" }],
    ["steps without end", { step_seconds: "1e300" }],
    ["steps longer than what is kept", { step_seconds: "9000000000000" }],
    ["a field that is unknown", { until: "2026-01-01T00:00:00Z" }],
  ])("%s is a bad request", async (_, query) => {
    const path = `${service}/usage?${new URLSearchParams(Object.entries(query))}`;
    expect(await refusal(path, { token: account.admin })).toMatchObject({ status: 400, code: "bad_request" });
  });

  test("says which step would be short enough to be answered", async () => {
    const path = `${service}/usage?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z`;
    const { message } = await refusal(path, { token: account.admin });
    expect(message).toContain("1440 steps are too many, 400 are answered at most");
  });

  test("of a service that there is not is not found", async () => {
    const path = `/v3/accounts/${account.name}/services/helo/usage`;
    expect(await refusal(path, { token: account.admin })).toMatchObject({
      status: 404,
      code: "service_not_found",
    });
  });
});
