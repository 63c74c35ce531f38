import { z } from "zod";
import { timestamp } from "../primitives.ts";

export const cliLoginAnswer = z.object({ token: z.string() });

/** The one event of a login's status stream. The CLI takes all but `ok` for a login that has failed. */
export const cliLoginStatus = z.object({ status: z.enum(["ok", "expired"]) });
export type CliLoginStatus = z.infer<typeof cliLoginStatus>;

export const completeCliLoginBody = z.object({
  code: z.string().regex(/^[0-9]{4}$/, "the code is the four digits that the page shows"),
});

/** `uuid` is what the CLI names the session by when it logs out; `user_id` the access token it was made from. */
export const userSession = z.object({
  uuid: z.string(),
  user_id: z.string(),
  user_agent: z.string(),
  created_at: timestamp,
  expiration: timestamp,
  token: z.string(),
  user_is_admin: z.literal(false),
});
