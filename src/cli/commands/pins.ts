import type { Command } from "commander";
import { shortDigest } from "../../domain/pins/images.ts";
import { shortPin, storedPin } from "../../domain/pins/pin.ts";
import {
  history,
  pinAnswer,
  pinBody,
  type ResolveAnswer,
  type Revision,
  resolveAnswer,
} from "../../protocol/v3/services.ts";
import {
  asEnvironmentPath,
  asImage,
  conditionsOf,
  type EnvironmentPath,
  environmentPath,
  type MoveOptions,
  withExamples,
  withLimit,
  withMoveOptions,
} from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { changedText } from "../deploys/changed-text.ts";
import { pinText } from "../deploys/pin-text.ts";
import { details, table } from "../output.ts";
import { runForAccount } from "../run.ts";

/** The commands about what an environment runs: to pin it, its history, and what a spawn would resolve to. */
export function addPinCommands(environments: Command): void {
  withExamples(
    withMoveOptions(
      environments
        .command("pin")
        .description("Pin an environment to an image tag or digest")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath)
        .argument("<image>", "a tag, which follows its most recent push, or a digest, which stays", asImage),
    ),
    [
      "slipway env pin hello/staging main",
      "slipway env pin hello/prod v12 --note 'release 12' --if-revision 6",
      "slipway env pin hello/prod v12 --plan",
    ],
  ).action((path: EnvironmentPath, image: string, options: MoveOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.change({
          ...conditionsOf(options),
          method: "PUT",
          path: [...environmentPath(path), "pin"],
          body: bodyOf(pinBody, { image, note: options.note, force: options.force }),
          answer: pinAnswer,
        }),
      text: (changed) => changedText(path, changed, pinText),
    }),
  );

  withExamples(
    withLimit(
      environments
        .command("history")
        .description("Show an environment's revisions, newest first")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ),
    ["slipway env history hello/prod --limit 5"],
  ).action((path: EnvironmentPath, options: { limit?: number }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: [...environmentPath(path), "history"],
          page: history,
          itemsOf: (page) => page.revisions,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["REVISION", "KIND", "IMAGE", "DIGEST", "RETURN", "AT", "BY", "NOTE"],
          items.map((item) => [
            item.revision,
            kindText(item),
            shortPin(storedPin(item.image)),
            item.digest && shortDigest(item.digest),
            item.returnable ? "yes" : "no",
            item.at,
            item.by && `${item.by.token_name} (${item.by.token_id})`,
            item.note,
          ]),
        ),
    }),
  );

  withExamples(
    environments
      .command("resolve")
      .description("Show what a spawn would do now, without doing it")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath)
      .option("--tag <tag-or-digest>", "as if the spawn named this image", asImage)
      .option("--key <key>", "as if the spawn named this key"),
    ["slipway env resolve hello/prod --key doc-123"],
  ).action((path: EnvironmentPath, options: { tag?: string; key?: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.get([...environmentPath(path), "resolve"], resolveAnswer, { tag: options.tag, key: options.key }),
      text: resolutionText,
    }),
  );
}

/** @example "promote from staging, gates passed" */
function kindText({ kind, from, gates, unfollowed }: Revision): string {
  return [
    from === undefined ? kind : `${kind} from ${from}`,
    ...(gates === undefined ? [] : [`gates ${gates}`]),
    ...(unfollowed === undefined ? [] : [`unfollowed ${unfollowed}`]),
  ].join(", ");
}

const actionTexts: Readonly<Record<ResolveAnswer["action"], string>> = {
  spawn: "spawn: starts a backend",
  reuse: "reuse: hands out the backend that holds the key",
  wait: "wait: the backend that holds the key is ending",
  refuse: "refuse",
};

function resolutionText(resolution: ResolveAnswer): string {
  const fields = details({
    environment: resolution.environment,
    action: actionTexts[resolution.action],
    ...(resolution.backend_id === undefined ? {} : { backend: resolution.backend_id }),
    image: resolution.image,
    digest: resolution.digest,
    revision: resolution.revision,
    cluster: resolution.cluster,
  });
  const { artifact } = resolution;
  const noImage =
    artifact === undefined
      ? ""
      : `\n\nThe latest push of \`${resolution.image}\` is no image: ${artifact.artifact_type} (${artifact.digest})`;
  const refusals = resolution.refusals.map(({ code, message }) => `- ${message} (${code})`);
  const said = fields + noImage;
  return refusals.length === 0 ? said : `${said}\n\nA spawn would be refused:\n${refusals.join("\n")}`;
}
