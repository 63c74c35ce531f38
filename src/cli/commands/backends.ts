import { type Command, Option } from "commander";
import { type BackendStatus, backendStatuses } from "../../domain/backend-status.ts";
import { key } from "../../protocol/primitives.ts";
import { backendList } from "../../protocol/v3/backends.ts";
import { accepted, asName, withExamples, withLimit } from "../arguments.ts";
import { table } from "../output.ts";
import { runForAccount } from "../run.ts";

interface ListOptions {
  environment?: string;
  status?: BackendStatus;
  key?: string;
  limit?: number;
}

export function addBackendCommands(program: Command): void {
  const backends = withExamples(program.command("backends").description("Backends of a service"), [
    "slipway backends list hello",
  ]);

  withExamples(
    withLimit(
      backends
        .command("list")
        .description("Show a service's backends, newest first; those that live unless a status is named")
        .argument("<service>", "the service's name", asName)
        .option("--environment <name>", "only those of this environment", asName)
        .addOption(new Option("--status <status>", "only those in this status").choices(backendStatuses))
        .option("--key <key>", "only the one that holds this key", accepted(key)),
    ),
    [
      "slipway backends list hello --environment prod",
      "slipway backends list hello --status terminated --limit 20",
    ],
  ).action((service: string, options: ListOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["services", service, "backends"],
          query: { environment: options.environment, status: options.status, key: options.key },
          page: backendList,
          itemsOf: (page) => page.backends,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["ID", "ENVIRONMENT", "STATUS", "SINCE", "IMAGE", "REVISION", "CLUSTER", "KEY"],
          items.map((item) => [
            item.id,
            item.environment,
            item.status,
            item.status_at,
            item.image.image,
            item.image.revision,
            item.cluster,
            item.key,
          ]),
        ),
    }),
  );
}
