import { type Command, Option } from "commander";
import type { z } from "zod";
import { type ServiceLocation, serviceLocations } from "../../domain/location.ts";
import { createServiceBody, patchServiceBody, service, serviceList } from "../../protocol/v3/services.ts";
import { asName, withExamples, withLimit, withSearch } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { usageFailure } from "../outcome.ts";
import { details, namesText, table } from "../output.ts";
import { runForAccount } from "../run.ts";

interface CreateOptions {
  defaultEnvironment?: string;
  location?: ServiceLocation;
}

export function addServiceCommands(program: Command): void {
  const services = withExamples(
    program.command("services").description("Services and their default environments"),
    ["slipway services create hello"],
  );

  withExamples(
    withSearch(
      withLimit(
        services
          .command("list")
          .description("Show the account's services, newest first; what is searched, by name"),
      ),
      "whose names begin with it",
    ),
    ["slipway services list", "slipway services list --search editor-"],
  ).action((options: { limit?: number; search?: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["services"],
          query: { search: options.search },
          page: serviceList,
          itemsOf: (page) => page.services,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["NAME", "LOCATION", "CREATED"],
          items.map((item) => [item.name, item.location, item.created_at]),
        ),
    }),
  );

  withExamples(
    services
      .command("create")
      .description("Create a service with the environment `default`")
      .argument("<name>", "the service's name", asName)
      .option("--default-environment <name>", "what requests mean that name no environment", asName)
      .addOption(
        new Option("--location <where>", "where on Cloudflare it is, for good; auto: near you").choices(
          serviceLocations,
        ),
      ),
    ["slipway services create hello", "slipway services create hello --location weur"],
  ).action((name: string, options: CreateOptions, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.send({
          method: "POST",
          path: ["services"],
          body: bodyOf(createServiceBody, {
            name,
            default_environment: options.defaultEnvironment,
            location: options.location,
          }),
          answer: service,
        }),
      text: serviceText,
    }),
  );

  withExamples(
    services.command("show").description("Show one service").argument("<name>", "the service's name", asName),
    ["slipway services show hello"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, { call: (api) => api.get(["services", name], service), text: serviceText }),
  );

  withExamples(
    services
      .command("update")
      .description("Change a service's default environment")
      .argument("<name>", "the service's name", asName)
      .option("--default-environment <name>", "what requests mean that name no environment", asName)
      .option("--no-default-environment", "have every request name an environment"),
    [
      "slipway services update hello --default-environment prod",
      "slipway services update hello --no-default-environment",
    ],
  ).action((name: string, options: { defaultEnvironment?: string | false }, command: Command) =>
    runForAccount(command, {
      call: async (api) => {
        const { defaultEnvironment } = options;
        if (defaultEnvironment === undefined) {
          return usageFailure("nothing to change: give --default-environment or --no-default-environment");
        }
        return api.send({
          method: "PATCH",
          path: ["services", name],
          body: bodyOf(patchServiceBody, {
            default_environment: defaultEnvironment === false ? null : defaultEnvironment,
          }),
          answer: service,
        });
      },
      text: serviceText,
    }),
  );

  withExamples(
    services
      .command("delete")
      .description("Delete a service: its backends are ended, its environments and images forgotten")
      .argument("<name>", "the service's name", asName),
    ["slipway services delete hello"],
  ).action((name: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.delete(["services", name]),
      text: () =>
        `Service \`${name}\` is deleted. Its backends are ending: slipway backends terminations ${name}`,
    }),
  );
}

function serviceText(item: z.infer<typeof service>): string {
  return details({
    name: item.name,
    account: item.account,
    environments: namesText(item.environments, item.environments_total),
    default_environment: item.default_environment,
    location: item.location,
    image_name: item.image_name,
    last_image: item.last_image_digest,
    last_image_at: item.last_image_upload_time,
    live_backends: item.live_backends,
    last_spawned: item.last_spawned_at,
    created: item.created_at,
  });
}
