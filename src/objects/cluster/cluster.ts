import { DurableObject } from "cloudflare:workers";
import type { ClusterRpc } from "../contract.ts";
import type { Env } from "../env.ts";

export class Cluster extends DurableObject<Env> implements ClusterRpc {
  heartbeat: ClusterRpc["heartbeat"] = () => {
    throw new Error("not built yet");
  };
}
