import { isolatedClusterTest } from "../../support/worker/worker-test.ts";
import { setUpBackend } from "./backend.ts";
import { setUp, setUpPinned } from "./service.ts";

/** A test of objects: a frozen clock, a cluster of its own, and of these an account of its own each that it uses. */
export const test = isolatedClusterTest
  /** An account with the cluster `main` and the service `hello`, which has no image. */
  .extend("hello", ({ cluster: _ }) => setUp())
  /** Such an account, whose service has image 1 as `latest`, to which its environment `default` is pinned. */
  .extend("pinned", ({ cluster: _ }) => setUpPinned())
  /** A backend of such a service, without a key. */
  .extend("backend", ({ cluster: _ }) => setUpBackend())
  /** A backend of such a service, which holds the key `doc`. */
  .extend("keyedBackend", ({ cluster: _ }) => setUpBackend("doc"));
