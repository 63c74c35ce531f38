import { type Command, InvalidArgumentError } from "commander";
import { checkStates } from "../../domain/deploys/gates.ts";
import { type Check, type CheckBody, check, checkBody, checkList } from "../../protocol/v3/deploys.ts";
import { asDigest, asName, asNote, withExamples } from "../arguments.ts";
import { type Answer, type ApiClient, bodyOf } from "../client.ts";
import { done, type Outcome, usageFailure } from "../outcome.ts";
import { table } from "../output.ts";
import { runForAccount } from "../run.ts";

const exampleDigest = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

interface CheckOptions {
  post?: Pick<CheckBody, "name" | "state">;
  url?: string;
  note?: string;
}

/** The command about what checks outside say of an image. */
export function addCheckCommands(environments: Command): void {
  withExamples(
    environments
      .command("checks")
      .description("Show what checks outside say of an image, or post what one says, with the right `check`")
      .argument("<service>", "the service's name", asName)
      .argument("<digest>", "the image's digest", asDigest)
      .option("--post <name=state>", `the check and what it says: ${checkStates.join(", ")}`, asPosted)
      .option("--url <url>", "of what is posted: where people read more")
      .option("--note <text>", "of what is posted: a word for people", asNote),
    [
      `slipway env checks hello ${exampleDigest}`,
      `slipway env checks hello ${exampleDigest} \\\n      --post e2e=passed --url https://ci.example.com/runs/17`,
    ],
  ).action((service: string, digest: string, options: CheckOptions, command: Command) =>
    runForAccount(command, {
      call: (api) => listOrPost(api, ["services", service, "images", digest, "checks"], options),
      text: (checks) =>
        table(
          ["CHECK", "STATE", "AT", "BY", "URL", "NOTE"],
          checks.map((item) => [
            item.name,
            item.state,
            item.at,
            item.by && `${item.by.token_name} (${item.by.token_id})`,
            item.url,
            item.note,
          ]),
        ),
    }),
  );
}

async function listOrPost(
  api: ApiClient,
  path: readonly string[],
  { post, url, note }: CheckOptions,
): Promise<Outcome<Answer<Check[]>>> {
  if (post === undefined) {
    if (url !== undefined || note !== undefined) {
      return usageFailure("--url and --note belong to a check that is posted: add --post <name>=<state>");
    }
    const listed = await api.get(path, checkList);
    return listed.ok ? done({ ...listed.value, body: listed.value.body.checks }) : listed;
  }
  const posted = await api.send({
    method: "POST",
    path,
    body: bodyOf(checkBody, { ...post, url, note }),
    answer: check,
  });
  return posted.ok ? done({ ...posted.value, body: [posted.value.body] }) : posted;
}

/** Reads NAME=STATE; a name may have `=` in it. */
function asPosted(text: string): Pick<CheckBody, "name" | "state"> {
  const end = text.lastIndexOf("=");
  const state = checkStates.find((known) => known === text.slice(end + 1));
  if (end < 1 || state === undefined) {
    throw new InvalidArgumentError(`name it as NAME=STATE, with one of ${checkStates.join(", ")}`);
  }
  return { name: text.slice(0, end), state };
}
