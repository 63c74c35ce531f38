import { z } from "zod";

/** `<state-dir>/local.json`, which exists while the deployment is ready (src/protocol/README.md). */
export const localJson = z.object({
  api_url: z.string(),
  account: z.string(),
  token: z.string(),
  root_token: z.string(),
  dashboard_url: z.string(),
  clusters: z.array(z.object({ name: z.string(), agent_url: z.string() })),
  pid: z.int(),
});
export type LocalJson = z.infer<typeof localJson>;
