import { describe, expect } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { environment, environmentList } from "../../../src/protocol/v3/services.ts";
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
let narrowed: string;
const backends = new Map<string, string>();

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
  service = await createService(account);
  const { admin } = account;
  const image = { digest: `sha256:${"1".repeat(64)}`, tag: "latest" };
  await call(z.looseObject({}), `${service}/images`, { token: admin, json: image });
  for (const name of ["staging", "prod"]) {
    await call(environment, `${service}/environments`, { token: admin, json: { name } });
    const connected = await call(connectAnswer, `/v2/service/${account.name}/hello/${name}/connect`, {
      token: admin,
      json: { key: "doc" },
    });
    backends.set(name, connected.backend_id);
  }
  const token = await createToken(account, { role: "spawn", service: "hello", environments: ["staging"] });
  narrowed = token.secret_token;
});

describe("a token narrowed to the environment `staging`", () => {
  test("sees the backends of staging in lists, and no others", async () => {
    const { backends: listed } = await call(backendList, `${service}/backends`, { token: narrowed });
    expect(listed.map(({ id }) => id)).toEqual([backends.get("staging")]);
  });

  test("sees the environment staging in lists, and no others", async () => {
    const { environments } = await call(environmentList, `${service}/environments`, { token: narrowed });
    expect(environments.map(({ name }) => name)).toEqual(["staging"]);
  });

  test("may look at and end a backend of staging, and at no other", async () => {
    const other = `/v2/backend/${backends.get("prod")}`;
    expect(await refusal(other, { token: narrowed })).toMatchObject({ status: 403, code: "forbidden" });
    expect(await refusal(`${other}/terminate`, { token: narrowed, json: {} })).toMatchObject({ status: 403 });
    const own = `/v2/backend/${backends.get("staging")}`;
    await call(z.looseObject({ id: z.string() }), own, { token: narrowed });
    await call(z.looseObject({ status: z.literal("ok") }), `${own}/terminate`, { token: narrowed, json: {} });
  });

  test("may not connect to the service without naming staging, nor by naming another", async () => {
    const at = (path: string) =>
      refusal(`/v2/service/${account.name}/hello${path}/connect`, { token: narrowed, json: {} });
    expect(await at("/prod")).toMatchObject({ status: 403 });
    expect(await at("")).toMatchObject({ status: 400, code: "environment_required" });
  });

  test("named in the body of a v1 spawn, another environment is refused too", async () => {
    const spawn = `/user/${account.name}/service/hello/spawn`;
    expect(await refusal(spawn, { token: narrowed, json: { service_environment: "prod" } })).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  });
});
