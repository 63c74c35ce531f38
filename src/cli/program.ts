import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { withExamples } from "./arguments.ts";
import { addAccountCommands } from "./commands/accounts.ts";
import { addAgentCommand } from "./commands/agent.ts";
import { addBackendCommands } from "./commands/backends.ts";
import { addClusterCommands } from "./commands/clusters.ts";
import { addEnvironmentCommands } from "./commands/environments.ts";
import { addImageCommands } from "./commands/images.ts";
import { addServiceCommands } from "./commands/services.ts";
import { addSigningKeysCommand } from "./commands/signing-keys.ts";
import { addTokenCommands } from "./commands/tokens.ts";
import { defaultApiUrl } from "./settings.ts";

/** The whole command line. Where it cannot be parsed, it prints why and throws a CommanderError. */
export function createProgram(): Command {
  const program = new Command("slipway")
    .description("Operate a Slipway deployment: services, pinned environments, images, clusters, tokens.")
    .version(packageJson.version)
    .option("--api-url <url>", `the deployment's API (SLIPWAY_API_URL; default ${defaultApiUrl})`)
    .option("--token <token>", "an access token of the account (SLIPWAY_TOKEN)")
    .option("--json", "print the API's JSON, for programs")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(add --help for how it is used, with examples)")
    .exitOverride();

  withExamples(program, [
    "slipway env list hello-world",
    "slipway env pin hello-world/staging v2 --note 'try the new editor'",
    "slipway env resolve hello-world/prod --key doc-123",
    "slipway backends list hello-world --environment prod --json",
  ]).addHelpText(
    "after",
    "\nWithout a token, the local deployment that `npm start` described in .slipway/local.json is used\n" +
      "(SLIPWAY_STATE_DIR names another folder). Exit codes: 0 done, 1 refused or not reached, 2 wrong usage, " +
      "3 gates not met yet.",
  );

  addAccountCommands(program);
  addTokenCommands(program);
  addClusterCommands(program);
  addServiceCommands(program);
  addEnvironmentCommands(program);
  addImageCommands(program);
  addBackendCommands(program);
  addAgentCommand(program);
  addSigningKeysCommand(program);
  return program;
}
