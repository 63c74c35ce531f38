import { expect } from "vitest";
import { termination, terminationList } from "../../../src/protocol/v3/terminations.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  freshName,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

let account: TestAccount;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
});

/** A service with backends, by its path. */
async function serviceWith(backends: number): Promise<{ name: string; path: string }> {
  const name = freshName("many");
  const path = await createService(account, name);
  const image = { digest: `sha256:${"1".repeat(64)}`, tag: "latest" };
  await send(`${path}/images`, { token: account.admin, json: image });
  for (let i = 0; i < backends; i++) {
    await send(`/v2/service/${account.name}/${name}/connect`, { token: account.admin, json: {} });
  }
  return { name, path };
}

test("all backends of a service are terminated with one request, which can be repeated and watched", async () => {
  const { path } = await serviceWith(2);
  const token = account.admin;
  const request = { token, json: { environment: "default" }, headers: { "idempotency-key": "once" } };
  const begun = await call(termination, `${path}/terminations`, request);
  expect(begun).toMatchObject({ status: "running", total: 2, terminated: 0, environments: ["default"] });
  expect(await call(termination, `${path}/terminations`, request)).toEqual(begun);
  expect(await call(termination, `${path}/terminations/${begun.id}`, { token })).toEqual(begun);
  expect(await call(terminationList, `${path}/terminations`, { token })).toEqual({ terminations: [begun] });
});

test("a service that was deleted still shows how far its backends are", async () => {
  const { path } = await serviceWith(1);
  const token = account.admin;
  expect((await send(path, { method: "DELETE", token })).status).toBe(204);
  const { terminations } = await call(terminationList, `${path}/terminations`, { token });
  expect(terminations).toMatchObject([{ cause: "service_deleted", total: 1, remaining: 1 }]);
});

test("a termination that there is not, a service that there is not, and an environment that is not the token's are refused", async () => {
  const { name, path } = await serviceWith(0);
  const token = account.admin;
  expect(await refusal(`${path}/terminations/none`, { token })).toMatchObject({
    status: 404,
    code: "termination_not_found",
  });
  expect(await refusal(`${path}-not/terminations`, { token })).toMatchObject({
    status: 404,
    code: "service_not_found",
  });
  const narrowed = { role: "spawn" as const, service: name, environments: ["prod"] };
  const { secret_token } = await createToken(account, narrowed);
  const request = { token: secret_token, json: { environment: "default" } };
  expect(await refusal(`${path}/terminations`, request)).toMatchObject({ status: 403, code: "forbidden" });
});
