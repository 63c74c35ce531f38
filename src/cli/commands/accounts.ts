import { Argument, type Command, InvalidArgumentError } from "commander";
import { eachQuota, type QuotaName } from "../../domain/quotas.ts";
import {
  type Account,
  account,
  createAccountBody,
  createdAccount,
  patchAccountBody,
} from "../../protocol/v3/accounts.ts";
import { asName, withExamples } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { secrets, table } from "../output.ts";
import { runForAccount, runForDeployment } from "../run.ts";

const rootTokenOption = ["--root-token <token>", "the deployment's root token (SLIPWAY_ROOT_TOKEN)"] as const;

export function addAccountCommands(program: Command): void {
  const accounts = withExamples(program.command("accounts").description("Accounts of the deployment"), [
    "SLIPWAY_ROOT_TOKEN=… slipway accounts create acme",
  ]);

  withExamples(
    accounts
      .command("create")
      .description("Create an account with its first admin token")
      .argument("<name>", "the account's name")
      .option(...rootTokenOption),
    ["SLIPWAY_ROOT_TOKEN=… slipway accounts create acme"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForDeployment(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["accounts"],
          body: bodyOf(createAccountBody, { name }),
          answer: createdAccount,
        }),
      text: (created) =>
        `Account \`${created.name}\` is there. Its first token has the role ${created.token.role}:\n\n` +
        secrets({ secret_token: created.token.secret_token }),
    }),
  );

  withExamples(accounts.command("show").description("Show what the account uses of its quotas"), [
    "slipway accounts show",
  ]).action((_options: unknown, command: Command) =>
    runForAccount(command, { call: (api) => api.get([], account), text: quotasText }),
  );

  withExamples(
    accounts
      .command("set-quota")
      .description("Set how much an account may store; what is there stays")
      .argument("<account>", "the account's name", asName)
      .addArgument(
        new Argument("<quota>", "what is limited").choices(Object.values(eachQuota((name) => name))),
      )
      .argument("<limit>", "a number, in bytes for untagged_bytes, or `default`", asLimit)
      .option(...rootTokenOption),
    [
      "SLIPWAY_ROOT_TOKEN=… slipway accounts set-quota acme environments 50000",
      "SLIPWAY_ROOT_TOKEN=… slipway accounts set-quota acme environments default",
    ],
  ).action((name: string, quota: QuotaName, { limit }: Limit, _options: unknown, command: Command) =>
    runForDeployment(command, {
      call: (api) =>
        api.send({
          method: "PATCH",
          path: ["accounts", name],
          body: bodyOf(patchAccountBody, { quotas: { [quota]: limit } }),
          answer: account,
        }),
      text: quotasText,
    }),
  );
}

/** Null: the default. In an object, since commander takes a parsed null for none. */
interface Limit {
  limit: number | null;
}

function asLimit(text: string): Limit {
  if (text === "default") return { limit: null };
  if (!/^\d{1,16}$/.test(text)) throw new InvalidArgumentError("expected a whole number, or `default`");
  return { limit: Number(text) };
}

function quotasText({ quotas }: Account): string {
  return table(
    ["QUOTA", "USED", "LIMIT"],
    Object.entries(quotas).map(([name, { used, limit }]) => [name, used, limit]),
  );
}
