import { z } from "zod";
import { tokenRoles } from "../../domain/credentials/access.ts";
import { tokenRights } from "../../domain/credentials/rights.ts";
import { quotaLimitMax, tokenNameMaxCharacters } from "../../domain/limits.ts";
import { reservedAccountNames } from "../../domain/names.ts";
import { eachQuota } from "../../domain/quotas.ts";
import { line, name, seconds, timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";

/** `POST /v3/accounts`, with the root token. */
export const createAccountBody = z.strictObject({
  name: name.refine(
    (text) => !reservedAccountNames.includes(text),
    `${reservedAccountNames.join(", ")} are reserved`,
  ),
});

/** An account with what it stores, and how much of each it may store: counts, and bytes where the name says so. */
export const account = z
  .object({
    name: z.string(),
    quotas: z.object(eachQuota(() => z.object({ used: z.int(), limit: z.int() }))),
  })
  .meta({ id: "Account" });
export type Account = z.infer<typeof account>;

/** `PATCH /v3/accounts/{account}`, with the root token: what is left out stays. */
export const patchAccountBody = z.strictObject({
  quotas: z.strictObject(
    eachQuota(() =>
      z.int().nonnegative().max(quotaLimitMax).nullable().optional().describe("null: the default"),
    ),
  ),
});
export type PatchAccountBody = z.infer<typeof patchAccountBody>;

/** `POST /v3/accounts/{account}/tokens`. A token reaches the whole account unless `service` or `environments` narrow it. */
export const createTokenBody = z
  .strictObject({
    name: line(tokenNameMaxCharacters).min(1).describe("For people: who or what holds it"),
    role: z.enum(tokenRoles),
    rights: z
      .array(z.enum(tokenRights))
      .max(tokenRights.length)
      .refine((rights) => new Set(rights).size === rights.length, "each right is given once")
      .meta({
        uniqueItems: true,
        description: "What it may do beside its role, which has none of it: no role, not even admin, does",
      })
      .optional(),
    service: name.optional(),
    environments: z.array(name).min(1).max(50).optional(),
    /** It never expires when this is left out. */
    expires_in_seconds: seconds.optional(),
  })
  .refine((body) => body.environments === undefined || body.service !== undefined, {
    path: ["environments"],
    message: "a token narrowed to environments names their `service`",
  });
export type CreateTokenBody = z.infer<typeof createTokenBody>;

/** An access token without its secret. */
export const token = z
  .object({
    /** What stands between `_` and `.` in the token. */
    id: z.string(),
    name: z.string(),
    role: z.enum([...tokenRoles, "agent"]),
    rights: z.array(z.enum(tokenRights)),
    service: z.string().optional(),
    environments: z.array(z.string()).optional(),
    /** Of the role `agent`: the cluster it was made with. */
    cluster: z.string().optional(),
    made_by: z
      .object({ token_id: z.string(), token_name: z.string() })
      .nullable()
      .describe(
        "The token that made it, which may be revoked by now; null: the deployment itself, or unknown, of older tokens",
      ),
    created_at: timestamp,
    expires_at: timestamp.optional(),
  })
  .meta({ id: "Token" });
export type Token = z.infer<typeof token>;

/** The answer to its creation, and to a replay of it. */
export const createdToken = token
  .extend({ secret_token: z.string().describe("The whole access token. It is shown this once.") })
  .meta({ id: "CreatedToken" });
export type CreatedToken = z.infer<typeof createdToken>;

/** A new account, with an admin token. */
export const createdAccount = z.object({ name: z.string(), token: createdToken });
export const tokenList = listAnswer("tokens", token);
