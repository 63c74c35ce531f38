import type { Command } from "commander";
import { z } from "zod";
import { shortDigest } from "../../domain/pins/images.ts";
import { change, changeList, changeNoteBody } from "../../protocol/v3/deploys.ts";
import {
  accepted,
  asEnvironmentPath,
  asNote,
  type EnvironmentPath,
  environmentPath,
  withExamples,
  withLimit,
} from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { approvalsText, changeText } from "../deploys/changed-text.ts";
import { table } from "../output.ts";
import { runForAccount } from "../run.ts";

const asChangeId = accepted(
  z.string().regex(/^[0-9A-Za-z-]{1,64}$/, "a change's id has letters, digits and hyphens only"),
);
const exampleId = "6f1c5e0a-3c3e-4a52-9c0e-0d6b2a6f7b11";

const endings = [
  { verb: "approve", says: "Approve of somebody else's change; it is carried out where enough have" },
  { verb: "reject", says: "Reject a change, with the right to approve" },
  { verb: "withdraw", says: "Withdraw one's own change" },
] as const;

/** The commands about changes that wait for approval. */
export function addApprovalCommands(environments: Command): void {
  withExamples(
    withLimit(
      environments
        .command("changes")
        .description("Show the changes of an environment that wait, or waited, for approval, newest first")
        .argument("<service/env>", "the service and the environment", asEnvironmentPath),
    ),
    ["slipway env changes hello/prod"],
  ).action((path: EnvironmentPath, options: { limit?: number }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: [...environmentPath(path), "changes"],
          page: changeList,
          itemsOf: (page) => page.changes,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["CHANGE", "KIND", "STATE", "DIGEST", "APPROVALS", "REQUESTED BY", "EXPIRES", "NOTE", "OUTCOME"],
          items.map((item) => [
            item.id,
            item.kind,
            item.state,
            item.digest && shortDigest(item.digest),
            approvalsText(item),
            item.requested_by && `${item.requested_by.token_name} (${item.requested_by.token_id})`,
            item.state === "open" ? item.expires_at : null,
            item.note,
            item.outcome,
          ]),
        ),
    }),
  );

  for (const { verb, says } of endings) {
    withExamples(
      environments
        .command(verb)
        .description(says)
        .argument("<service/env>", "the service and the environment", asEnvironmentPath)
        .argument("<change>", "the change's id, as `env changes` shows it", asChangeId)
        .option("--note <text>", "why", asNote),
      [`slipway env ${verb} hello/prod ${exampleId}`],
    ).action((path: EnvironmentPath, id: string, { note }: { note?: string }, command: Command) =>
      runForAccount(command, {
        call: (api) =>
          api.send({
            method: "POST",
            path: [...environmentPath(path), "changes", id, verb],
            body: bodyOf(changeNoteBody, { note }),
            answer: change,
          }),
        text: changeText,
        // An approval of a change whose requester may not make it any more ends it.
        reportsFailure: ({ state }) => verb === "approve" && state !== "open" && state !== "executed",
      }),
    );
  }
}
