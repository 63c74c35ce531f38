import { z } from "zod";
import { timestamp } from "../primitives.ts";

/** `POST /cli-login`: the attempt's token, one segment of the page's address and of the two paths below. */
export const cliLoginAnswer = z.object({ token: z.string() });

/** The one event of a login's status stream. The CLI treats every status but `ok` as a failed login. */
export const cliLoginStatus = z.object({ status: z.enum(["ok", "expired"]) });
export type CliLoginStatus = z.infer<typeof cliLoginStatus>;

/** `POST /cli-login/{token}/complete`. */
export const completeCliLoginBody = z.object({
  code: z.string().regex(/^[0-9]{4}$/, "the code is the four digits that the page shows"),
});

/** The answer to it: a session. `token` is an access token that ends with the session. */
export const userSession = z.object({
  /** The session's id, by which the CLI logs out. */
  uuid: z.string(),
  /** The id of the access token that the session was made from. */
  user_id: z.string(),
  user_agent: z.string(),
  created_at: timestamp,
  expiration: timestamp,
  token: z.string(),
  user_is_admin: z.literal(false),
});
