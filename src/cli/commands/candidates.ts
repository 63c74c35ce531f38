import type { Command } from "commander";
import { type Candidate, candidateList, liftBody, rejectionList } from "../../protocol/v3/deploys.ts";
import {
  asDigest,
  asEnvironmentPath,
  asNote,
  type EnvironmentPath,
  environmentName,
  environmentPath,
  withExamples,
} from "../arguments.ts";
import { bodyOf, noAnswer } from "../client.ts";
import { table } from "../output.ts";
import { runForAccount } from "../run.ts";

const exampleDigest = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

/** The commands about what is kept from coming into an environment: pushes that were held back, and digests that were rejected. */
export function addCandidateCommands(environments: Command): void {
  withExamples(
    environments
      .command("candidates")
      .description("Show the pushes that were held back from an environment, newest first")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ["slipway env candidates hello/prod"],
  ).action((path: EnvironmentPath, _options: object, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get([...environmentPath(path), "candidates"], candidateList),
      text: ({ candidates }) =>
        table(
          ["DIGEST", "TAG", "AT", "BY", "GATES", "HELD BACK BY", "MESSAGE"],
          candidates.map((item) => [
            item.digest,
            item.tag,
            item.at,
            byText(item.by),
            gatesMet(item),
            item.reason,
            item.message,
          ]),
        ),
    }),
  );

  withExamples(
    environments
      .command("rejections")
      .description("Show the digests that an environment was rolled back from, newest first")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ["slipway env rejections hello/prod"],
  ).action((path: EnvironmentPath, _options: object, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get([...environmentPath(path), "rejections"], rejectionList),
      text: ({ rejections }) =>
        table(
          ["DIGEST", "AT", "BY", "NOTE"],
          rejections.map((item) => [item.digest, item.at, byText(item.by), item.note]),
        ),
    }),
  );

  withExamples(
    environments
      .command("lift")
      .description("Have a digest that an environment has rejected be as any other again")
      .argument("<service/env>", "the service and the environment", asEnvironmentPath)
      .argument("<digest>", "the rejected digest", asDigest)
      .requiredOption("--note <text>", "why, for the account's events", asNote),
    [`slipway env lift hello/prod ${exampleDigest} \\\n      --note 'the database was at fault'`],
  ).action((path: EnvironmentPath, digest: string, { note }: { note: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: [...environmentPath(path), "rejections", digest, "lift"],
          body: bodyOf(liftBody, { note }),
          answer: noAnswer,
        }),
      text: () => `Environment \`${environmentName(path)}\` rejects ${digest} no more.`,
    }),
  );
}

function byText(by: Candidate["by"]): string | null {
  return by && `${by.token_name} (${by.token_id})`;
}

/** @example "2 of 3" */
function gatesMet({ gates }: Candidate): string | null {
  if (gates.length === 0) return null;
  return `${gates.filter(({ state }) => state === "passed").length} of ${gates.length}`;
}
