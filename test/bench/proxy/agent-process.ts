import { once } from "node:events";
import { backendProxy } from "../../../src/agent/proxy/proxy.ts";
import { listen } from "../../../src/agent/server/server.ts";
import { agentPlan, proxied } from "./protocol.ts";

/*
 * The agent's server with its proxy, in a separate process, and one backend that runs already. It receives one plan,
 * sends its port and ends when its parent does.
 */

const [message] = await once(process, "message");
const { backendPort, jwks } = agentPlan.parse(message);
const backend = {
  spawn: { secret_token: "secret" },
  history: [{ status: "ready" as const, time: 0 }],
  address: { host: "127.0.0.1", port: backendPort },
  mayRun: true,
  whenReady: async () => true,
  openConnection: () => () => undefined,
};
const server = await listen({ host: "127.0.0.1", port: 0 }, () => ({
  webhook: () => ({ status: 404 }),
  health: () => ({ status: 404 }),
  output: () => ({ status: 404 }),
  proxy: backendProxy({
    account: proxied.account,
    cluster: proxied.cluster,
    backends: { get: (id) => (id === proxied.backendId ? backend : undefined), hasEnded: () => false },
    keys: { current: () => jwks, forKeyId: async () => jwks },
    backendDomain: null,
    clock: { connectionWaitMs: 10_000, clientPingEveryMs: 30_000 },
    log: () => undefined,
  }),
  look: () => undefined,
  log: () => undefined,
}));
process.send?.({ port: Number(new URL(server.url).port) });
process.once("disconnect", () => process.exit());
