import { type Command, Option } from "commander";
import {
  type Cluster,
  cluster,
  clusterList,
  createClusterBody,
  createdCluster,
  type ObservedCluster,
  observedCluster,
  patchClusterBody,
  rotatedSecret,
  testedCluster,
} from "../../protocol/v3/clusters.ts";
import { asName, withExamples, withLimit } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { byteSize, details, secrets, table } from "../output.ts";
import { runForAccount } from "../run.ts";

interface ClusterOptions {
  webhookUrl?: string;
  /** False: take it away. */
  backendUrlTemplate?: string | false;
  ack?: "sync" | "async";
  default?: true;
}

const templateHelp = "where backends are reached, such as https://{backend_id}.prod.example.com";

function ackOption(): Option {
  return new Option(
    "--ack <when>",
    "sync: a spawn waits for the cluster's answer; async: it does not",
  ).choices(["sync", "async"]);
}

export function addClusterCommands(program: Command): void {
  const clusters = withExamples(program.command("clusters").description("Places where backends run"), [
    "slipway clusters create eu-prod --webhook-url https://eu.example.com/slipway",
  ]);

  withExamples(withLimit(clusters.command("list").description("Show the account's clusters, newest first")), [
    "slipway clusters list",
  ]).action((options: { limit?: number }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["clusters"],
          page: clusterList,
          itemsOf: (page) => page.clusters,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["NAME", "DEFAULT", "HEALTH", "LAST HEARTBEAT", "ACK", "WEBHOOK URL", "CREATED"],
          items.map((item) => [
            item.name,
            item.default ? "yes" : "",
            item.health,
            item.last_heartbeat_at,
            item.ack,
            item.webhook_url,
            item.created_at,
          ]),
        ),
    }),
  );

  withExamples(
    clusters
      .command("create")
      .description("Register a cluster; its signing secret and agent token are printed once")
      .argument("<name>", "the cluster's name", asName)
      .requiredOption("--webhook-url <url>", "where Slipway sends its signed webhooks")
      .option("--backend-url-template <url>", templateHelp)
      .addOption(ackOption()),
    [
      "slipway clusters create eu-prod --webhook-url https://eu.example.com/slipway",
      "slipway clusters create eu-prod --webhook-url https://eu.example.com/slipway \\\n" +
        "      --backend-url-template 'https://{backend_id}.eu.example.com' --ack async",
    ],
  ).action(
    (
      name: string,
      options: { webhookUrl: string; backendUrlTemplate?: string; ack?: "sync" | "async" },
      command: Command,
    ) =>
      runForAccount(command, {
        call: (api) =>
          api.send({
            method: "POST",
            path: ["clusters"],
            body: bodyOf(createClusterBody, {
              name,
              webhook_url: options.webhookUrl,
              backend_url_template: options.backendUrlTemplate,
              ack: options.ack,
            }),
            answer: createdCluster,
          }),
        text: (created) =>
          `${clusterText(created)}\n\n${secrets({
            signing_secret: created.signing_secret,
            agent_token: created.agent_token,
          })}`,
      }),
  );

  withExamples(
    clusters
      .command("show")
      .description("Show one cluster, and how its agents are")
      .argument("<name>", "the cluster's name", asName),
    ["slipway clusters show eu-prod"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get(["clusters", name], observedCluster),
      text: observedText,
    }),
  );

  withExamples(
    clusters
      .command("update")
      .description("Change a cluster")
      .argument("<name>", "the cluster's name", asName)
      .option("--webhook-url <url>", "where Slipway sends its signed webhooks")
      .option("--backend-url-template <url>", templateHelp)
      .option("--no-backend-url-template", "have the cluster give each backend's URL itself")
      .addOption(ackOption())
      .option("--default", "make it the account's default cluster"),
    [
      "slipway clusters update eu-prod --default",
      "slipway clusters update eu-prod --no-backend-url-template",
    ],
  ).action((name: string, options: ClusterOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "PATCH",
          path: ["clusters", name],
          body: bodyOf(patchClusterBody, {
            webhook_url: options.webhookUrl,
            backend_url_template: options.backendUrlTemplate === false ? null : options.backendUrlTemplate,
            ack: options.ack,
            default: options.default,
          }),
          answer: cluster,
        }),
      text: clusterText,
    }),
  );

  withExamples(
    clusters
      .command("delete")
      .description("Delete a cluster that no environment and no live backend needs")
      .argument("<name>", "the cluster's name", asName),
    ["slipway clusters delete eu-prod"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.delete(["clusters", name]),
      text: () => `Cluster \`${name}\` is deleted.`,
    }),
  );

  withExamples(
    clusters
      .command("rotate-secret")
      .description("Add a signing secret, printed once; the one before signs on for 24 hours")
      .argument("<name>", "the cluster's name", asName),
    ["slipway clusters rotate-secret eu-prod"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({ method: "POST", path: ["clusters", name, "rotate-secret"], answer: rotatedSecret }),
      text: ({ signing_secret, previous_valid_until }) =>
        `${secrets({ signing_secret })}\nThe secret before it signs too until ${previous_valid_until}.`,
    }),
  );

  withExamples(
    clusters
      .command("test")
      .description("Send the cluster a ping; exit code 1 if it does not arrive")
      .argument("<name>", "the cluster's name", asName),
    ["slipway clusters test eu-prod"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.send({ method: "POST", path: ["clusters", name, "test"], answer: testedCluster }),
      text: ({ delivered, status, duration_ms, error }) => {
        const answer = status === undefined ? "" : ` The answer was ${status}.`;
        const reason = error === undefined ? "" : ` ${error}`;
        return `${delivered ? "Delivered" : "Not delivered"} in ${Math.round(duration_ms)} ms.${answer}${reason}`;
      },
      reportsFailure: ({ delivered }) => !delivered,
    }),
  );
}

function clusterText(item: Cluster): string {
  return details(clusterFields(item));
}

function observedText(item: ObservedCluster): string {
  const cluster = details({
    ...clusterFields(item),
    health: item.health,
    last_heartbeat: item.last_heartbeat_at,
  });
  if (item.agents.length === 0) return cluster;
  const agents = table(
    ["AGENT", "VERSION", "DRAINING", "BACKENDS", "CAPACITY", "DISK FREE", "LAST HEARTBEAT"],
    item.agents.map((agent) => [
      agent.id,
      agent.version,
      agent.draining ? "yes" : "",
      agent.backends,
      agent.capacity,
      agent.disk && `${byteSize(agent.disk.free_bytes)} of ${byteSize(agent.disk.total_bytes)}`,
      agent.last_heartbeat_at,
    ]),
  );
  return `${cluster}\n\n${agents}`;
}

function clusterFields(item: Cluster) {
  return {
    name: item.name,
    default: item.default ? "yes" : "no",
    webhook_url: item.webhook_url,
    backend_url_template: item.backend_url_template,
    ack: item.ack,
    created: item.created_at,
  };
}
