import { z } from "zod";
import { jwks } from "../../../src/protocol/tokens/connection-token.ts";

/** What the backend that is proxied answers, by path. */
export const answerBytes = { "/small": 100, "/large": 64 * 1024 } as const;

/** What the bench has proxied: a backend of this id of this cluster. */
export const proxied = { account: "bench", cluster: "proxy", backendId: "0000000000000" } as const;

/** The message to the agent's process; both processes answer with their port. */
export const agentPlan = z.object({ backendPort: z.int(), jwks });
export type AgentPlan = z.infer<typeof agentPlan>;

export const portAnswer = z.object({ port: z.int() });
