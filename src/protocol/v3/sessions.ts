import { z } from "zod";
import { sessionKinds } from "../../domain/credentials/sessions.ts";
import { loginLinkMaxSeconds, loginLinkMinSeconds, loginLinkSeconds } from "../../domain/limits.ts";
import { timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";

/** A login that is live: of a browser, or of the CLI. */
export const session = z
  .object({
    id: z.string(),
    kind: z.enum(sessionKinds),
    token_id: z.string().describe("The access token that it was made from, and ends with"),
    user_agent: z.string(),
    created_at: timestamp,
    expires_at: timestamp,
  })
  .meta({ id: "Session" });
export type Session = z.infer<typeof session>;

export const sessionList = listAnswer("sessions", session);

/** `POST /v3/accounts/{account}/login-links`: ten minutes when nothing is named, at most a day. */
export const createLoginLinkBody = z.strictObject({
  expires_in_seconds: z.int().min(loginLinkMinSeconds).max(loginLinkMaxSeconds).default(loginLinkSeconds),
});

/** The answer to it. */
export const loginLink = z.object({
  url: z.string().describe("Logs in whoever opens it first, with the rights of the token that made it"),
  expires_at: timestamp,
});
