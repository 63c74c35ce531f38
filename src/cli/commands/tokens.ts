import { type Command, Option } from "commander";
import { z } from "zod";
import { type TokenRole, tokenRoles } from "../../domain/credentials/access.ts";
import { type TokenRight, tokenRights } from "../../domain/credentials/rights.ts";
import { createdToken, createTokenBody, type Token, tokenList } from "../../protocol/v3/accounts.ts";
import {
  accepted,
  asDurationSeconds,
  asName,
  collected,
  collectNames,
  withExamples,
  withLimit,
} from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { details, secrets, table } from "../output.ts";
import { runForAccount } from "../run.ts";

const asTokenId = accepted(z.string().regex(/^[0-9a-z]{1,40}$/, "a token id has letters and digits only"));
const collectRights = collected(z.enum(tokenRights, `a right is ${tokenRights.join(" or ")}`));

interface CreateOptions {
  role: Exclude<TokenRole, "agent">;
  right?: TokenRight[];
  service?: string;
  environment?: string[];
  expiresIn?: number;
}

export function addTokenCommands(program: Command): void {
  const tokens = withExamples(program.command("tokens").description("Access tokens of the account"), [
    "slipway tokens create ci --role deploy --service hello",
  ]);

  withExamples(withLimit(tokens.command("list").description("Show the account's tokens, newest first")), [
    "slipway tokens list",
  ]).action((options: { limit?: number }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["tokens"],
          page: tokenList,
          itemsOf: (page) => page.tokens,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["ID", "NAME", "ROLE", "RIGHTS", "SCOPE", "CREATED", "EXPIRES", "MADE BY"],
          items.map((token) => [
            token.id,
            token.name,
            token.role,
            token.rights.join(" "),
            scopeOf(token),
            token.created_at,
            token.expires_at,
            makerOf(token),
          ]),
        ),
    }),
  );

  withExamples(
    tokens
      .command("create")
      .description("Create a token; its secret is printed once")
      .argument("<name>", "for people: who or what holds it")
      .addOption(new Option("--role <role>", "what it may do").choices(tokenRoles).makeOptionMandatory())
      .option(
        "--right <right>",
        `what it may do beside its role (${tokenRights.join(", ")}); may be repeated`,
        collectRights,
      )
      .option("--service <name>", "narrow it to one service", asName)
      .option("--environment <name>", "narrow it to an environment; may be repeated", collectNames)
      .option("--expires-in <duration>", "such as 12h or 30d (default: never)", asDurationSeconds),
    [
      "slipway tokens create laptop --role admin",
      "slipway tokens create ci --role deploy --service hello --environment staging --expires-in 30d",
      "slipway tokens create ada --role deploy --right approve",
    ],
  ).action((name: string, options: CreateOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["tokens"],
          body: bodyOf(createTokenBody, {
            name,
            role: options.role,
            rights: options.right,
            service: options.service,
            environments: options.environment,
            expires_in_seconds: options.expiresIn,
          }),
          answer: createdToken,
        }),
      text: (token) =>
        `${details({
          id: token.id,
          name: token.name,
          role: token.role,
          rights: token.rights.join(" "),
          scope: scopeOf(token),
          expires: token.expires_at ?? "never",
        })}\n\n${secrets({ secret_token: token.secret_token })}`,
    }),
  );

  withExamples(
    tokens
      .command("revoke")
      .description("Revoke a token")
      .argument("<id>", "the token's id, as `tokens list` shows it", asTokenId),
    ["slipway tokens revoke 3f9q7h3kq2m9"],
  ).action((id: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.delete(["tokens", id]),
      text: () => `Token ${id} is revoked; it stops working within 10 s.`,
    }),
  );
}

function makerOf({ made_by: maker }: Token): string | null {
  return maker && `${maker.token_name} (${maker.token_id})`;
}

function scopeOf({ service, environments, cluster }: Token): string {
  if (cluster !== undefined) return `cluster ${cluster}`;
  if (service === undefined) return "account";
  return environments === undefined ? service : environments.map((name) => `${service}/${name}`).join(" ");
}
