import type { Command } from "commander";
import { type Environment, environment, patchEnvironmentBody } from "../../protocol/v3/services.ts";
import {
  asEnvironmentPath,
  type ChangeOptions,
  conditionsOf,
  type EnvironmentPath,
  environmentPath,
  withChangeOptions,
  withExamples,
} from "../arguments.ts";
import { type Answer, type ApiClient, bodyOf, type Changed } from "../client.ts";
import { changedText } from "../deploys/changed-text.ts";
import { protectionDetails } from "../deploys/environment-text.ts";
import {
  dependsOnPresent,
  namesNothing,
  type ProtectionOptions,
  settingsChange,
  windowsOf,
  withProtectionOptions,
} from "../deploys/protection-options.ts";
import { done, type Outcome, usageFailure } from "../outcome.ts";
import { runForAccount } from "../run.ts";

/** The command that shows and sets what keeps an environment from being changed by mistake. */
export function addProtectionCommands(environments: Command): void {
  withExamples(
    withChangeOptions(
      withProtectionOptions(
        environments
          .command("protect")
          .description("Set what protects an environment; what is not named stays. Without options, show it")
          .argument("<service/env>", "the service and the environment", asEnvironmentPath),
      ),
    ),
    [
      "slipway env protect hello/prod",
      "slipway env protect hello/prod --gates-from staging --min-ready 20 --soak 15m --check e2e",
      "slipway env protect hello/prod --approvals 1 --follow candidate --no-spawn-tag",
      "slipway env protect hello/prod --windows freeze.json --plan",
    ],
  ).action((path: EnvironmentPath, options: ProtectionOptions & ChangeOptions, command: Command) =>
    runForAccount(command, {
      call: (api) => (namesNothing(options) ? show(api, path, options) : protect(api, path, options)),
      text: (changed) => changedText(path, changed, protectionDetails),
    }),
  );
}

type Protected = Promise<Outcome<Answer<Changed<Environment>>>>;

async function show(api: ApiClient, path: EnvironmentPath, options: ChangeOptions): Protected {
  if (options.plan || options.ifRevision !== undefined) {
    return usageFailure("nothing to change: name at least one option");
  }
  const shown = await api.get(environmentPath(path), environment);
  return shown.ok ? done({ ...shown.value, body: { done: shown.value.body } }) : shown;
}

async function protect(
  api: ApiClient,
  path: EnvironmentPath,
  options: ProtectionOptions & ChangeOptions,
): Protected {
  const windows = await windowsOf(options);
  if (!windows.ok) return windows;
  const present = dependsOnPresent(options) ? await api.get(environmentPath(path), environment) : null;
  if (present && !present.ok) return present;
  const settings = settingsChange(options, present?.value.body.settings ?? {});
  return api.change({
    ...conditionsOf(options),
    method: "PATCH",
    path: environmentPath(path),
    body: bodyOf(patchEnvironmentBody, { settings: { ...settings, windows: windows.value } }),
    answer: environment,
  });
}
