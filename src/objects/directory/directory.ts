import { DurableObject } from "cloudflare:workers";
import type { DirectoryRpc } from "../contract.ts";
import type { Env } from "../env.ts";

export class Directory extends DurableObject<Env> implements DirectoryRpc {
  claim: DirectoryRpc["claim"] = () => {
    throw new Error("not built yet");
  };
  lookup: DirectoryRpc["lookup"] = () => {
    throw new Error("not built yet");
  };
}
