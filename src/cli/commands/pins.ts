import type { Command } from "commander";
import { shortDigest } from "../../domain/pins/images.ts";
import { shortPin, storedPin } from "../../domain/pins/pin.ts";
import {
  history,
  type PinAnswer,
  pinAnswer,
  pinBody,
  type ResolveAnswer,
  resolveAnswer,
} from "../../protocol/v3/services.ts";
import {
  asEnvironmentPath,
  asImage,
  asPositiveInteger,
  type EnvironmentPath,
  environmentPath,
  withExamples,
  withLimit,
} from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { details, table } from "../output.ts";
import { runForAccount } from "../run.ts";

/** The commands about what an environment runs: to pin it, its history, and what a spawn would resolve to. */
export function addPinCommands(environments: Command): void {
  withExamples(
    environments
      .command("pin")
      .description("Pin an environment to an image tag or digest")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath)
      .argument("<image>", "a tag, which follows its most recent push, or a digest, which stays", asImage)
      .option("--note <text>", "why, for the history")
      .option("--if-revision <n>", "only if this revision is the current one", asPositiveInteger),
    [
      "slipway env pin hello/staging main",
      "slipway env pin hello/prod v12 --note 'release 12' --if-revision 6",
    ],
  ).action(
    (
      path: EnvironmentPath,
      image: string,
      options: { note?: string; ifRevision?: number },
      command: Command,
    ) =>
      runForAccount(command, {
        call: (api) =>
          api.send({
            method: "PUT",
            path: [...environmentPath(path), "pin"],
            body: bodyOf(pinBody, { image, note: options.note }),
            headers: options.ifRevision === undefined ? {} : { "if-match": `"${options.ifRevision}"` },
            answer: pinAnswer,
          }),
        text: (pin) => pinText(path.service, pin),
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
          ["REVISION", "KIND", "IMAGE", "DIGEST", "AT", "BY", "NOTE"],
          items.map((item) => [
            item.revision,
            item.kind,
            shortPin(storedPin(item.image)),
            item.digest && shortDigest(item.digest),
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

function pinText(service: string, pin: PinAnswer): string {
  return table(
    ["ENVIRONMENT", "REVISION", "IMAGE", "DIGEST"],
    [
      [`${service}/${pin.environment}`, pin.revision, pin.image, pin.digest],
      ["(before)", pin.previous.revision, pin.previous.image, pin.previous.digest],
    ],
  );
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
