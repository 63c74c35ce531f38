import { type Command, InvalidArgumentError } from "commander";
import { shortDigest } from "../../domain/pins/images.ts";
import { backendIdSchema, digest, key, time } from "../../protocol/primitives.ts";
import {
  type CreateDrainBody,
  createDrainBody,
  type Drain,
  drain,
  drainList,
} from "../../protocol/v3/drains.ts";
import {
  accepted,
  asDurationSeconds,
  asName,
  asPositiveInteger,
  type EnvironmentPath,
  withExamples,
  withLimit,
} from "../arguments.ts";
import { type ApiClient, bodyOf } from "../client.ts";
import { usageFailure } from "../outcome.ts";
import { table } from "../output.ts";
import { report, runForAccount } from "../run.ts";
import { runWatched } from "../watch.ts";

interface DrainOptions {
  digest?: string;
  beforeRevision?: number;
  before?: string;
  atEndOf?: number;
  rate?: number;
  keepKey?: string[];
  keepBackend?: string[];
  watch: boolean;
}

interface DrainsOptions {
  limit?: number;
  watch?: string;
  cancel?: string;
}

/** A service, with the environment where only that is meant. */
type DrainPath = Pick<EnvironmentPath, "service"> & { environment?: string };

/** Reads SERVICE or SERVICE/ENV. */
function asDrainPath(text: string): DrainPath {
  const [service = "", environment, ...rest] = text.split("/");
  if (rest.length > 0) throw new InvalidArgumentError("name it as SERVICE or SERVICE/ENV");
  return {
    service: asName(service),
    ...(environment === undefined ? {} : { environment: asName(environment) }),
  };
}

function collected<T>(parse: (text: string) => T) {
  return (text: string, earlier: readonly T[] | undefined): T[] => [...(earlier ?? []), parse(text)];
}

/** An id is a segment of a path, whatever it is. */
function asId(text: string): string {
  if (!/^[\w-]{1,80}$/.test(text))
    throw new InvalidArgumentError("an id has letters, digits and hyphens only");
  return text;
}

/** The commands about drains: to begin one and watch it, and those that there are. */
export function addDrainCommands(environments: Command): void {
  withExamples(
    environments
      .command("drain")
      .description(
        "End what an environment runs no more, softly and at a rate, and show how far that is until it is over (Ctrl-C only stops showing it)",
      )
      .argument("<service[/env]>", "the service, and the environment where only that is meant", asDrainPath)
      .option("--digest <digest>", "what runs this image", accepted(digest))
      .option(
        "--before-revision <n>",
        "what was spawned before this revision of the environment",
        asPositiveInteger,
      )
      .option("--before <time>", "what was spawned before this time", accepted(time))
      .option(
        "--at-end-of <duration>",
        "end sessions without a key after so long though they are in use (default: once they are idle)",
        asDurationSeconds,
      )
      .option("--rate <n>", "end so many a minute at most (default: 60)", asPositiveInteger)
      .option(
        "--keep-key <key>",
        "leave the session that holds this key; may be repeated",
        collected(accepted(key)),
      )
      .option("--keep-backend <id>", "leave this one; may be repeated", collected(accepted(backendIdSchema)))
      .option("--no-watch", "do not wait for its end"),
    [
      "slipway env drain hello/prod --before-revision 7",
      `slipway env drain hello/prod --digest sha256:${"9f86d081".repeat(8)} --rate 300 --at-end-of 1h`,
    ],
  ).action((path: DrainPath, options: DrainOptions, command: Command) => {
    const begin = (api: ApiClient) =>
      api.send({
        method: "POST",
        path: ["services", path.service, "drains"],
        body: bodyOf(createDrainBody, bodyFrom(path, options)),
        answer: drain,
      });
    if (options.watch) return runWatched(command, watched(path.service, begin));
    return runForAccount(command, { call: begin, text: drainText });
  });

  withExamples(
    withLimit(
      environments
        .command("drains")
        .description("Show a service's drains, newest first; watch or cancel one")
        .argument("<service>", "the service's name", asName)
        .option("--watch <id>", "show how far this one is until it is over", asId)
        .option("--cancel <id>", "cancel this one: what it has not ended goes on", asId),
    ),
    ["slipway env drains hello", "slipway env drains hello --cancel 0b3ca9a8-6c3c-4f5a-8a8e-0d0f4c6f0f57"],
  ).action((service: string, { limit, watch, cancel }: DrainsOptions, command: Command) => {
    const path = ["services", service, "drains"];
    if (watch !== undefined && cancel !== undefined) {
      return report(usageFailure("--watch and --cancel are for one of them each: name one option").failure);
    }
    if (watch !== undefined) {
      return runWatched(
        command,
        watched(service, (api) => api.get([...path, watch], drain)),
      );
    }
    if (cancel !== undefined) {
      return runForAccount(command, {
        call: (api) => api.send({ method: "POST", path: [...path, cancel, "cancel"], answer: drain }),
        text: drainText,
      });
    }
    return runForAccount(command, {
      call: (api) => api.list({ path, page: drainList, itemsOf: ({ drains }) => drains, limit }),
      text: drainsText,
    });
  });
}

function bodyFrom({ environment }: DrainPath, options: DrainOptions): Partial<CreateDrainBody> {
  const { keepKey: keys, keepBackend: backends } = options;
  return {
    environment,
    digest: options.digest,
    before_revision: options.beforeRevision,
    before: options.before,
    ...(options.atEndOf === undefined ? {} : { when: { at_end_of: options.atEndOf } }),
    ...(options.rate === undefined ? {} : { rate_per_minute: options.rate }),
    ...(keys === undefined && backends === undefined ? {} : { keep: { keys, backends } }),
  };
}

function watched(service: string, begin: Parameters<typeof runWatched<Drain>>[1]["begin"]) {
  return {
    begin,
    schema: drain,
    stream: ({ id }: Drain) => ["services", service, "drains", id, "stream"],
    text: drainText,
    isOver: ({ state }: Drain) => state !== "draining",
    hasFailed: ({ state }: Drain) => state === "cancelled",
    again: ({ id }: Drain) => `\`slipway env drains ${service} --watch ${id}\``,
  };
}

/** One line, which also shows progress. */
function drainText(one: Drain): string {
  const { state, total, ended, live, eta, reason, held_up_by: held } = one;
  const parts = [`${ended} of ${total} ended`];
  if (state === "draining") {
    parts.push(`${live} live`);
    if (eta !== null) parts.push(`until about ${eta}`);
    if (held.count > 0) parts.push(`waits for ${held.count}: ${heldText(held)}`);
  } else if (live > 0) parts.push(`${live} go on`);
  return `${one.id} ${state}${reason === undefined ? "" : ` (${reason})`}: ${parts.join(", ")}`;
}

function heldText({ count, backends }: Drain["held_up_by"]): string {
  const more = count - backends.length;
  return backends.join(" ") + (more > 0 ? ` and ${more} more` : "");
}

function drainsText(drains: readonly Drain[]): string {
  return table(
    [
      "ID",
      "CREATED",
      "ENVIRONMENT",
      "WHAT",
      "STATE",
      "TOTAL",
      "ENDED",
      "LIVE",
      "WAITS FOR",
      "UNTIL ABOUT",
      "BY",
    ],
    drains.map((one) => [
      one.id,
      one.created_at,
      one.environment ?? one.environments?.join(" ") ?? "all",
      whatText(one),
      one.reason === undefined ? one.state : `${one.state} (${one.reason})`,
      one.total,
      one.ended,
      one.live,
      one.held_up_by.count,
      one.eta,
      `${one.by.token_name} (${one.by.token_id})`,
    ]),
  );
}

function whatText({ digest: of, before_revision: revision, before }: Drain): string {
  if (of !== undefined) return shortDigest(of);
  return revision === undefined ? `before ${before}` : `before revision ${revision}`;
}
