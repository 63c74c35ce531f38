import { beforeAll } from "vitest";
import { createAccount, createCluster } from "./api.ts";
import { loggedIn } from "./page-client.ts";
import { pinnedService } from "./pinned-service.ts";
import { clusterTest, isolatedClusterTest } from "./worker-test.ts";

// The first requests load the Worker and its objects, which may take longer than one test has.
beforeAll(async () => {
  await pinnedService(await createAccount("warm-up"));
}, 60_000);

/** A test of pages. Its account is that of all tests of the file, which therefore give their services names of their own. */
export const test = clusterTest
  .extend("account", { scope: "file" }, () => createAccount())
  .extend("admin", { scope: "file" }, ({ account }) => loggedIn(account.admin))
  /** Of the agent of the account's cluster `main`, which is there where this or a service is used. */
  .extend(
    "agentToken",
    { scope: "file" },
    async ({ account, cluster: _ }) => (await createCluster(account)).agent_token,
  )
  /** Makes a service with images and an environment `prod`, by its name. */
  .extend("newService", { scope: "file" }, ({ account, agentToken: _ }) => {
    return (name: string) => pinnedService(account, name);
  })
  .extend("hello", { scope: "file" }, ({ newService }) => newService("hello"));

/** A test of pages with an account of its own. */
export const isolatedTest = clusterTest
  .extend("account", () => createAccount())
  .extend("admin", ({ account }) => loggedIn(account.admin));

/** A test whose account was made at `frozenAt`, with the cluster `main`, and where time passes only as it is set. */
export const frozenTest = isolatedClusterTest
  .extend("account", ({ cluster: _ }) => createAccount())
  .extend("admin", ({ account }) => loggedIn(account.admin))
  .extend("agentToken", { auto: true }, async ({ account }) => (await createCluster(account)).agent_token);
