import { DurableObject } from "cloudflare:workers";
import type { BackendsRpc } from "../contract.ts";
import type { Env } from "../env.ts";

export class Backends extends DurableObject<Env> implements BackendsRpc {
  describe: BackendsRpc["describe"] = () => {
    throw new Error("not built yet");
  };
  report: BackendsRpc["report"] = () => {
    throw new Error("not built yet");
  };
  record: BackendsRpc["record"] = () => {
    throw new Error("not built yet");
  };
}
