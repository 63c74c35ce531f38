import type { Command } from "commander";
import {
  createEnvironmentBody,
  type EnvironmentSettingsBody,
  environment,
  environmentList,
  patchEnvironmentBody,
} from "../../protocol/v3/services.ts";
import {
  asDurationSeconds,
  asEnvironmentPath,
  asImage,
  asName,
  type ChangeOptions,
  conditionsOf,
  type EnvironmentPath,
  environmentName,
  environmentPath,
  withChangeOptions,
  withExamples,
  withLimit,
  withSearch,
} from "../arguments.ts";
import { bodyOf, noAnswer } from "../client.ts";
import { changedText } from "../deploys/changed-text.ts";
import { environmentDetails, environmentsTable } from "../deploys/environment-text.ts";
import { runForAccount } from "../run.ts";
import { addApprovalCommands } from "./approvals.ts";
import { addCandidateCommands } from "./candidates.ts";
import { addCheckCommands } from "./checks.ts";
import { addDrainCommands } from "./drains.ts";
import { addPinCommands } from "./pins.ts";
import { addPromotionCommands } from "./promotions.ts";
import { addProtectionCommands } from "./protection.ts";

interface EnvironmentOptions {
  /** False: the account's default cluster. */
  cluster?: string | false;
  image?: string;
  startupTimeout?: number;
  maxIdle?: number;
  lifetimeLimit?: number;
}

function withSettings(command: Command): Command {
  return command
    .option("--startup-timeout <duration>", "how long a backend may take to be ready", asDurationSeconds)
    .option(
      "--max-idle <duration>",
      "sweep a backend this long without connection; 0: never",
      asDurationSeconds,
    )
    .option("--lifetime-limit <duration>", "end a backend this long after its spawn", asDurationSeconds);
}

function settingsOf(options: EnvironmentOptions): EnvironmentSettingsBody | undefined {
  const settings = {
    startup_timeout_seconds: options.startupTimeout,
    max_idle_seconds: options.maxIdle,
    lifetime_limit_seconds: options.lifetimeLimit,
  };
  return Object.values(settings).every((value) => value === undefined) ? undefined : settings;
}

export function addEnvironmentCommands(program: Command): void {
  const environments = withExamples(
    program.command("env").description("Environments of a service, and what they run"),
    ["slipway env pin hello/prod v12"],
  );

  withExamples(
    withSearch(
      withLimit(
        environments
          .command("list")
          .description("Show a service's environments, newest first")
          .argument("<service>", "the service's name", asName),
      ),
      "whose names contain it",
    ),
    ["slipway env list hello", "slipway env list hello --search preview"],
  ).action((service: string, options: { limit?: number; search?: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["services", service, "environments"],
          query: { search: options.search },
          page: environmentList,
          itemsOf: (page) => page.environments,
          limit: options.limit,
        }),
      text: environmentsTable,
    }),
  );

  withExamples(
    withSettings(
      environments
        .command("create")
        .description("Create an environment")
        .argument("<service/env>", "the service and the new environment", asEnvironmentPath)
        .option("--cluster <name>", "where it runs (default: the account's default cluster)", asName)
        .option("--image <tag-or-digest>", "what it runs (default: latest)", asImage),
    ),
    ["slipway env create hello/staging --cluster eu-staging --image main"],
  ).action((path: EnvironmentPath, options: EnvironmentOptions & { cluster?: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["services", path.service, "environments"],
          body: bodyOf(createEnvironmentBody, {
            name: path.environment,
            cluster: options.cluster,
            image: options.image,
            settings: settingsOf(options),
          }),
          answer: environment,
        }),
      text: environmentDetails,
    }),
  );

  withExamples(
    environments
      .command("show")
      .description("Show one environment")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ["slipway env show hello/staging"],
  ).action((path: EnvironmentPath, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get(environmentPath(path), environment),
      text: environmentDetails,
    }),
  );

  withExamples(
    withChangeOptions(
      withSettings(
        environments
          .command("update")
          .description(
            "Change an environment's cluster or settings; `env pin` changes its image, `env protect` what protects it",
          )
          .argument("<service/env>", "the service and the environment", asEnvironmentPath)
          .option("--cluster <name>", "where it runs", asName)
          .option("--no-cluster", "have it follow the account's default cluster"),
      ),
    ),
    ["slipway env update hello/prod --cluster eu-prod --max-idle 15m"],
  ).action((path: EnvironmentPath, options: EnvironmentOptions & ChangeOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.change({
          ...conditionsOf(options),
          method: "PATCH",
          path: environmentPath(path),
          body: bodyOf(patchEnvironmentBody, {
            cluster: options.cluster === false ? null : options.cluster,
            settings: settingsOf(options),
          }),
          answer: environment,
        }),
      text: (changed) => changedText(path, changed, environmentDetails),
    }),
  );

  withExamples(
    withChangeOptions(
      environments
        .command("delete")
        .description("Delete an environment that has no live backend")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ),
    ["slipway env delete hello/staging"],
  ).action((path: EnvironmentPath, options: ChangeOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.change({
          ...conditionsOf(options),
          method: "DELETE",
          path: environmentPath(path),
          answer: noAnswer,
        }),
      text: (changed) =>
        changedText(path, changed, () => `Environment \`${environmentName(path)}\` is deleted.`),
    }),
  );

  addPinCommands(environments);
  addDrainCommands(environments);
  addPromotionCommands(environments);
  addProtectionCommands(environments);
  addApprovalCommands(environments);
  addCandidateCommands(environments);
  addCheckCommands(environments);
}
