import { expect, test } from "vitest";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { workerOptions } from "../../../src/local/worker/options.ts";

test("the Worker runs under npm start with the bindings and the date that wrangler.toml gives it", () => {
  const { workerOptions: deployed } = unstable_getMiniflareWorkerOptions("wrangler.toml");
  const { compatibilityDate, compatibilityFlags, durableObjects, r2Buckets, kvNamespaces, ratelimits } =
    deployed;
  expect({ compatibilityDate, durableObjects, r2Buckets }).toEqual(workerOptions);
  expect({ compatibilityFlags, kvNamespaces, ratelimits }).toEqual({
    compatibilityFlags: [],
    kvNamespaces: {},
    ratelimits: {},
  });
});
