import type { Command } from "commander";
import { makeSigningKeys } from "../../protocol/tokens/signing-keys.ts";
import { withExamples } from "../arguments.ts";

export function addSigningKeysCommand(program: Command): void {
  withExamples(
    program
      .command("signing-keys")
      .description("Make a deployment's SIGNING_KEYS: the key pair that signs connection tokens"),
    ["slipway signing-keys | npx wrangler secret put SIGNING_KEYS"],
  ).action(async () => {
    process.stdout.write(`${JSON.stringify(await makeSigningKeys())}\n`);
  });
}
