import type { Env as WorkerEnv } from "../../../src/objects/env.ts";

declare global {
  namespace Cloudflare {
    interface Env extends WorkerEnv {}
    interface GlobalProps {
      mainModule: typeof import("../../../src/edge/worker.ts");
    }
  }
}
