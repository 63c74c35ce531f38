import { z } from "zod";
import { type TokenRight, tokenRights } from "../../../domain/credentials/rights.ts";
import { ok, type Result } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { formatAccessToken } from "../../../protocol/tokens/access-token.ts";
import { createTokenBody, type Token } from "../../../protocol/v3/accounts.ts";
import { newAccessSecret, secretSource } from "../../credentials/secrets.ts";
import { definedFields } from "../../defined-fields.ts";
import { parseInput } from "../../input.ts";
import { Command } from "../elements/command.tsx";
import { pathOf } from "../elements/paths.ts";
import { readAttempt } from "../frame/form-attempt.tsx";
import type { Submitted } from "../frame/page.ts";
import type { PageCall } from "../frame/page-call.ts";
import type { View } from "../frame/view.ts";
import { rightsText } from "./token-scope.ts";

const emptyAsUndefined = (text: unknown) => (text === "" ? undefined : text);

/** A checkbox sends its value, or nothing. */
const ticked = z.literal("yes").optional();

/** Maps a form's fields to the API's body. */
const createFields = z
  .object({
    name: z.string(),
    role: z.string(),
    "right-approve": ticked,
    "right-check": ticked,
    service: z.preprocess(emptyAsUndefined, z.string().optional()),
    environments: z.string().default(""),
    expires: z.preprocess(emptyAsUndefined, z.coerce.number().optional()),
  })
  .transform(({ environments, expires, "right-approve": approve, "right-check": check, ...rest }) => {
    const names = environments.split(/[\s,]+/).filter((name) => name !== "");
    const isTicked: Record<TokenRight, boolean> = { approve: approve === "yes", check: check === "yes" };
    return definedFields({
      ...rest,
      rights: tokenRights.filter((right) => isTicked[right]),
      environments: names.length === 0 ? undefined : names,
      expires_in_seconds: expires,
    });
  });

type SettingsCall = Pick<PageCall, "env" | "visitor" | "path" | "forget">;

async function createToken(
  { env, visitor, path }: SettingsCall,
  fields: Record<string, string>,
): Promise<Result<Submitted>> {
  const read = parseInput(createFields, fields, "bad form");
  if (!read.ok) return read;
  const body = parseInput(createTokenBody, read.value, "bad form");
  if (!body.ok) return body;
  const attempt = await readAttempt({ path, visitor }, fields, body.value);
  if (!attempt.ok) return attempt;

  const { account } = visitor.identity;
  const { id, secret, secretHash } = await newAccessSecret(secretSource(env, account, attempt.value));
  const created = await accountStub(env, account).createToken(
    body.value,
    { id, secretHash },
    { ...visitor.caller, idempotency: attempt.value },
  );
  if (!created.ok) return created;
  return ok({
    once: secretView(created.value, formatAccessToken({ account, id: created.value.id, secret })),
  });
}

/** The secret, which is not stored and shown this once. */
function secretView(token: Token, secretToken: string): View {
  return {
    title: "Token created",
    trail: [{ text: "Settings", path: pathOf.settings() }],
    body: (
      <>
        <p>
          This is the token <bdi>{token.name}</bdi>, with the role {token.role}
          {token.rights.length === 0 ? null : ` and the rights ${rightsText(token)}`}. Copy it now: it is
          shown this once.
        </p>
        <Command>{secretToken}</Command>
        <p>To log in with it:</p>
        <Command>{`jamsocket login --token ${secretToken}`}</Command>
        <p>
          <a href={pathOf.settings()}>Back to the settings</a>
        </p>
      </>
    ),
  };
}

const revokeFields = z.object({ id: z.string().regex(/^[0-9a-z]{1,40}$/, "is not the id of a token") });

async function revokeToken(
  { env, visitor, forget }: SettingsCall,
  fields: Record<string, string>,
): Promise<Result<Submitted>> {
  const read = parseInput(revokeFields, fields, "bad form");
  if (!read.ok) return read;
  const { identity, caller } = visitor;
  const revoked = await accountStub(env, identity.account).deleteToken(read.value.id, caller);
  if (!revoked.ok) return revoked;
  forget(read.value.id);
  return ok({ done: `Token ${read.value.id} is revoked; it stops working within 10 seconds.` });
}

export const accessTokenForms = {
  "create-token": { action: "admin", submit: createToken },
  "revoke-token": { action: "admin", submit: revokeToken },
} as const;
