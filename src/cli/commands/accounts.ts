import type { Command } from "commander";
import { createAccountBody, createdAccount } from "../../protocol/v3/accounts.ts";
import { withExamples } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { secrets } from "../output.ts";
import { runForDeployment } from "../run.ts";

export function addAccountCommands(program: Command): void {
  const accounts = withExamples(program.command("accounts").description("Accounts of the deployment"), [
    "SLIPWAY_ROOT_TOKEN=… slipway accounts create acme",
  ]);

  withExamples(
    accounts
      .command("create")
      .description("Create an account with its first admin token")
      .argument("<name>", "the account's name")
      .option("--root-token <token>", "the deployment's root token (SLIPWAY_ROOT_TOKEN)"),
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
}
