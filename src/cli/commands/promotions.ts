import { type Command, InvalidArgumentError, Option } from "commander";
import { followBody, promoteBody, rollbackBody, stopBody } from "../../protocol/v3/deploys.ts";
import { environment, pinAnswer } from "../../protocol/v3/services.ts";
import {
  asDigest,
  asEnvironmentPath,
  asName,
  asNote,
  asPositiveInteger,
  asSeconds,
  asTag,
  type ChangeOptions,
  conditionsOf,
  type EnvironmentPath,
  environmentName,
  environmentPath,
  type MoveOptions,
  withChangeOptions,
  withExamples,
  withMoveOptions,
} from "../arguments.ts";
import { type ApiClient, bodyOf } from "../client.ts";
import { changedText } from "../deploys/changed-text.ts";
import { pinText } from "../deploys/pin-text.ts";
import { progressOn } from "../deploys/progress.ts";
import { untilMet } from "../deploys/wait.ts";
import { done, type Outcome } from "../outcome.ts";
import { runForAccount } from "../run.ts";

const defaultTimeoutSeconds = 3600;

interface PromoteOptions extends MoveOptions {
  from: string;
  digest?: string;
  wait?: true;
  timeout?: number;
}

type RollbackTarget = number | "previous" | "verified";

/** The commands that move an environment safely: to what another one runs, back, and with a tag again; and those that stop it. */
export function addPromotionCommands(environments: Command): void {
  withExamples(
    withMoveOptions(
      environments
        .command("promote")
        .description(
          "Pin an environment to the digest that another one runs; exit code 3 while gates are not met yet",
        )
        .argument("<service/env>", "the service and the environment", asEnvironmentPath)
        .requiredOption("--from <env>", "the environment whose digest is taken over", asName)
        .option("--digest <digest>", "only if that is what it runs", asDigest),
    )
      .addOption(
        new Option(
          "--wait",
          "wait for the gates to be met by what it runs now; a gate that failed ends that with exit code 1",
        ).conflicts("plan"),
      )
      .addOption(
        new Option("--timeout <duration>", "how long to wait, in seconds or such as 15m (default: 1h)")
          .argParser(asSeconds)
          .implies({ wait: true }),
      ),
    [
      "slipway env promote hello/prod --from staging",
      "slipway env promote hello/prod --from staging --plan",
      "slipway env promote hello/prod --from staging --wait --timeout 30m",
    ],
  ).action((path: EnvironmentPath, options: PromoteOptions, command: Command) =>
    runForAccount(command, {
      call: (api) => (options.wait ? promoteOnceMet(api, path, options) : promote(api, path, options)),
      text: (changed) => changedText(path, changed, pinText),
    }),
  );

  withExamples(
    withMoveOptions(
      environments
        .command("rollback")
        .description("Bring back what an environment ran before, and reject what it runs")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath)
        .option(
          "--to <target>",
          "a revision, `previous` (the default), or `verified`: the last that passed its gates, or ran well here",
          asRollbackTarget,
        ),
    ),
    [
      "slipway env rollback hello/prod",
      "slipway env rollback hello/prod --to verified --note 'sessions crash on save'",
      "slipway env rollback hello/prod --to 12 --plan",
    ],
  ).action((path: EnvironmentPath, options: MoveOptions & { to?: RollbackTarget }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.change({
          ...conditionsOf(options),
          method: "POST",
          path: [...environmentPath(path), "rollback"],
          body: bodyOf(rollbackBody, { to: options.to, note: options.note, force: options.force }),
          answer: pinAnswer,
        }),
      text: (changed) => changedText(path, changed, pinText),
    }),
  );

  withExamples(
    withChangeOptions(
      environments
        .command("follow")
        .description("Have an environment follow a tag again; what is held back of it stays a candidate")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath)
        .option("--tag <tag>", "which one (default: what it followed until it was rolled back)", asTag)
        .option("--note <text>", "why, for the history", asNote),
    ),
    ["slipway env follow hello/staging", "slipway env follow hello/staging --tag main"],
  ).action(
    (path: EnvironmentPath, options: ChangeOptions & { tag?: string; note?: string }, command: Command) =>
      runForAccount(command, {
        call: (api) =>
          api.change({
            ...conditionsOf(options),
            method: "POST",
            path: [...environmentPath(path), "follow"],
            body: bodyOf(followBody, { tag: options.tag, note: options.note }),
            answer: pinAnswer,
          }),
        text: (changed) => changedText(path, changed, pinText),
      }),
  );

  withExamples(
    environments
      .command("freeze")
      .description("Stop an environment: nothing changes it until `env unfreeze`")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath)
      .requiredOption("--reason <text>", "why, for whoever is refused", asNote),
    ["slipway env freeze hello/prod --reason 'the fair is on'"],
  ).action((path: EnvironmentPath, { reason }: { reason: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "PUT",
          path: [...environmentPath(path), "stop"],
          body: bodyOf(stopBody, { reason }),
          answer: environment,
        }),
      text: ({ stopped }) =>
        `Environment \`${environmentName(path)}\` is stopped: ${stopped?.reason ?? reason}\n` +
        `\`slipway env unfreeze ${environmentName(path)}\` takes that back.`,
    }),
  );

  withExamples(
    withChangeOptions(
      environments
        .command("unfreeze")
        .description("Take an environment's stop back, which is an admin's to do")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ),
    ["slipway env unfreeze hello/prod"],
  ).action((path: EnvironmentPath, options: ChangeOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.change({
          ...conditionsOf(options),
          method: "DELETE",
          path: [...environmentPath(path), "stop"],
          answer: environment,
        }),
      text: (changed) =>
        changedText(path, changed, () => `Environment \`${environmentName(path)}\` is stopped no more.`),
    }),
  );
}

function promote(api: ApiClient, path: EnvironmentPath, options: PromoteOptions) {
  return api.change({
    ...conditionsOf(options),
    method: "POST",
    path: [...environmentPath(path), "promote"],
    body: bodyOf(promoteBody, {
      from: options.from,
      digest: options.digest,
      note: options.note,
      force: options.force,
    }),
    answer: pinAnswer,
  });
}

/** Promotes what the other environment runs at the beginning: what comes there meanwhile is another change. */
async function promoteOnceMet(api: ApiClient, path: EnvironmentPath, options: PromoteOptions) {
  const digest = await digestToPromote(api, path, options);
  if (!digest.ok) return digest;
  const fixed = digest.value === undefined ? options : { ...options, digest: digest.value };
  return untilMet(() => promote(api, path, fixed), {
    timeoutSeconds: options.timeout ?? defaultTimeoutSeconds,
    progress: progressOn(process.stderr),
  });
}

async function digestToPromote(
  api: ApiClient,
  { service }: EnvironmentPath,
  { digest, from }: PromoteOptions,
): Promise<Outcome<string | undefined>> {
  if (digest !== undefined) return done(digest);
  const source = await api.get(environmentPath({ service, environment: from }), environment);
  return source.ok ? done(source.value.body.digest ?? undefined) : source;
}

function asRollbackTarget(text: string): RollbackTarget {
  if (text === "previous" || text === "verified") return text;
  if (/^\d/.test(text)) return asPositiveInteger(text);
  throw new InvalidArgumentError("expected a revision, `previous` or `verified`");
}
