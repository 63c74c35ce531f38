import { shortDigest } from "../../domain/pins/images.ts";
import { shortPin, storedPin } from "../../domain/pins/pin.ts";
import type { Environment } from "../../protocol/v3/services.ts";
import { type Cell, details, table } from "../output.ts";
import { protectionFields } from "./protection-text.ts";

/** Environments, one a line. What few of them have is shown where one has it. */
export function environmentsTable(items: readonly Environment[]): string {
  const rare: { heading: string; cell: (item: Environment) => Cell }[] = [
    { heading: "UNFOLLOWED", cell: ({ unfollowed }) => unfollowed?.tag },
    { heading: "STOPPED", cell: ({ stopped }) => stopped?.reason },
  ];
  const shown = rare.filter(({ cell }) => items.some((item) => cell(item) !== undefined));
  return table(
    [
      ...["NAME", "IMAGE", "DIGEST", "REVISION", "CLUSTER", "LIVE", "LAST SPAWNED"],
      ...shown.map(({ heading }) => heading),
    ],
    items.map((item) => [
      item.name,
      shortPin(storedPin(item.image)),
      item.digest && shortDigest(item.digest),
      item.revision,
      item.cluster,
      item.live_backends,
      item.last_spawned_at,
      ...shown.map(({ cell }) => cell(item)),
    ]),
  );
}

/** One environment, with what protects it. */
export function environmentDetails(item: Environment): string {
  const { startup_timeout_seconds, max_idle_seconds, lifetime_limit_seconds } = item.settings;
  return details({
    name: item.name,
    image: item.image,
    digest: item.digest,
    ...(item.unfollowed && {
      unfollowed: `${item.unfollowed.tag}, which is ${item.unfollowed.digest ?? "nothing"} now`,
    }),
    revision: item.revision,
    cluster: item.cluster,
    startup_timeout: inSeconds(startup_timeout_seconds),
    max_idle: max_idle_seconds === 0 ? "never swept" : inSeconds(max_idle_seconds),
    lifetime_limit: inSeconds(lifetime_limit_seconds),
    ...protectionFields(item),
    live_backends: item.live_backends,
    last_spawned: item.last_spawned_at,
    created: item.created_at,
  });
}

/** What protects it, and nothing else. */
export function protectionDetails(item: Environment): string {
  const fields: Record<string, Cell> = protectionFields(item);
  return Object.keys(fields).length === 0 ? "Nothing protects it." : details(fields);
}

function inSeconds(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : `${seconds} s`;
}
