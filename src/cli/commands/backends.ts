import { type Command, Option } from "commander";
import type { z } from "zod";
import { type BackendStatus, backendStatuses } from "../../domain/backends/status.ts";
import { backendMetrics } from "../../protocol/backend-metrics.ts";
import { backendIdSchema, key, timestamp } from "../../protocol/primitives.ts";
import { backend, backendList, releaseBody } from "../../protocol/v3/backends.ts";
import {
  createTerminationBody,
  type Termination,
  termination,
  terminationList,
} from "../../protocol/v3/terminations.ts";
import { accepted, asName, withExamples, withLimit, withSearch } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { byteSize, details, table } from "../output.ts";
import { runForAccount, runStream } from "../run.ts";
import { parseJson } from "../settings.ts";

interface ListOptions {
  environment?: string;
  status?: BackendStatus;
  key?: string;
  search?: string;
  limit?: number;
}

interface TerminateOptions {
  environment?: string;
  createdBefore?: string;
  hard?: boolean;
}

export function addBackendCommands(program: Command): void {
  const backends = withExamples(program.command("backends").description("Backends of a service"), [
    "slipway backends list hello",
    "slipway backends logs k3f9q7h3kq2m9",
  ]);

  withExamples(
    withSearch(
      withLimit(
        backends
          .command("list")
          .description("Show a service's backends, newest first; those that live unless a status is named")
          .argument("<service>", "the service's name", asName)
          .option("--environment <name>", "only those of this environment", asName)
          .addOption(new Option("--status <status>", "only those in this status").choices(backendStatuses))
          .option("--key <key>", "only the one that holds this key", accepted(key)),
      ),
      "whose id, key, environment or digest begins with it",
    ),
    [
      "slipway backends list hello --environment prod",
      "slipway backends list hello --status terminated --limit 20",
      "slipway backends list hello --search document-7",
    ],
  ).action((service: string, options: ListOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["services", service, "backends"],
          query: {
            environment: options.environment,
            status: options.status,
            key: options.key,
            search: options.search,
          },
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

  withExamples(
    backends
      .command("show")
      .description("Show one backend, live or ended")
      .argument("<id>", "the backend's id", accepted(backendIdSchema)),
    ["slipway backends show k3f9q7h3kq2m9"],
  ).action((id: string, _options: object, command: Command) =>
    runForAccount(command, { call: (api) => api.get(["backends", id], backend), text: backendText }),
  );

  withExamples(
    backends
      .command("release")
      .description(
        "Free the key of a backend whose agent is silent, once you know that it does not run any more",
      )
      .argument("<id>", "the backend's id", accepted(backendIdSchema))
      .requiredOption("--note <text>", "how you know, for the account's events"),
    ["slipway backends release k3f9q7h3kq2m9 --note 'the machine was switched off'"],
  ).action((id: string, { note }: { note: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["backends", id, "release"],
          body: bodyOf(releaseBody, { note }),
          answer: backend,
        }),
      text: backendText,
    }),
  );

  withExamples(
    backends
      .command("terminate-all")
      .description("Terminate all live backends of a service, in the background")
      .argument("<service>", "the service's name", asName)
      .option("--environment <name>", "only those of this environment", asName)
      .option("--created-before <time>", "only those that were created before", accepted(timestamp))
      .option("--hard", "at once, without the grace of a soft end"),
    [
      "slipway backends terminate-all hello --environment staging",
      "slipway backends terminate-all hello --hard --created-before 2026-11-23T00:00:00Z",
    ],
  ).action((service: string, options: TerminateOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["services", service, "terminations"],
          body: bodyOf(createTerminationBody, {
            ...(options.environment === undefined ? {} : { environment: options.environment }),
            ...(options.createdBefore === undefined ? {} : { created_before: options.createdBefore }),
            hard: options.hard ?? false,
          }),
          answer: termination,
        }),
      text: (begun) =>
        `${terminationsText([begun])}\n\nIt goes on by itself: slipway backends terminations ${service}`,
    }),
  );

  withExamples(
    backends
      .command("terminations")
      .description("Show how far the terminations of many backends are, also after their service was deleted")
      .argument("<service>", "the service's name", asName),
    ["slipway backends terminations hello"],
  ).action((service: string, _options: object, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get(["services", service, "terminations"], terminationList),
      text: ({ terminations }) => terminationsText(terminations),
    }),
  );

  withExamples(
    backends
      .command("logs")
      .description("Print what a backend has printed, and what it prints until it ends or Ctrl-C")
      .argument("<id>", "the backend's id", accepted(backendIdSchema)),
    [
      "slipway backends logs k3f9q7h3kq2m9",
      "slipway backends logs k3f9q7h3kq2m9 --json  # a JSON string a line, control characters and all",
    ],
  ).action((id: string, _options: object, command: Command) =>
    runStream(command, {
      path: ["v2", "backend", id, "logs", "stream"],
      text: (line) => line,
      json: (line) => JSON.stringify(line),
    }),
  );

  withExamples(
    backends
      .command("metrics")
      .description("Show what a backend uses, about every second, until it ends or Ctrl-C")
      .argument("<id>", "the backend's id", accepted(backendIdSchema)),
    ["slipway backends metrics k3f9q7h3kq2m9"],
  ).action((id: string, _options: object, command: Command) =>
    runStream(command, {
      path: ["v2", "backend", id, "metrics", "stream"],
      heading: metricsRow(metricsHeadings),
      text: metricsText,
      json: (line) => line,
    }),
  );
}

function backendText(item: z.infer<typeof backend>): string {
  return details({
    id: item.id,
    service: item.service,
    environment: item.environment,
    cluster: item.cluster,
    status: item.status,
    since: item.status_at,
    key: item.key,
    held_since: item.held_since,
    image: item.image.image,
    digest: item.image.digest,
    revision: item.image.revision,
    fencing_token: item.fencing_token,
    created: item.created_at,
  });
}

function terminationsText(terminations: readonly Termination[]): string {
  return table(
    ["CREATED", "CAUSE", "HARD", "ENVIRONMENTS", "STATUS", "TOTAL", "TERMINATED", "REMAINING"],
    terminations.map((one) => [
      one.created_at,
      one.cause,
      one.hard,
      one.environments?.join(" "),
      one.status,
      one.total,
      one.terminated,
      one.remaining,
    ]),
  );
}

const metricsHeadings = ["CPU     ", "MEMORY USED", "MEMORY AVAILABLE"] as const;

/** Columns as wide as their headings: later rows are not known yet. */
function metricsRow(cells: readonly string[]): string {
  return cells
    .map((cell, i) => cell.padEnd(metricsHeadings[i]?.length ?? 0))
    .join("  ")
    .trimEnd();
}

function metricsText(line: string): string | null {
  const metrics = backendMetrics.safeParse(parseJson(line));
  if (!metrics.success) return null;
  const { cpu_used, sys_cpu, mem_used, mem_available } = metrics.data;
  const share = sys_cpu === 0 ? "-" : `${((cpu_used / sys_cpu) * 100).toFixed(1)} %`;
  return metricsRow([share, byteSize(mem_used), byteSize(mem_available)]);
}
