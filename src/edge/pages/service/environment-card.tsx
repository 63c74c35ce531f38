import { shortDigest } from "../../../domain/pins/images.ts";
import type { EnvironmentUsage, UsageRange } from "../../../domain/usage/usage.ts";
import type { EnvironmentOverview } from "../../../objects/contract.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { durationText } from "../elements/amount-text.ts";
import { Badge } from "../elements/badges/badge.tsx";
import { clusterBadge } from "../elements/badges/cluster-badge.tsx";
import { shortImage } from "../elements/image-name.tsx";
import { pathOf } from "../elements/paths.ts";
import { PinFacts } from "../elements/pin-facts.tsx";
import { Time } from "../elements/time.tsx";
import { ShareBar } from "../plots/share-bar.tsx";
import { TimePlot } from "../plots/time-plot.tsx";

interface Place {
  account: string;
  service: string;
}

/** An environment on its service's page: its pin, its live backends, and its recent spawns and pins. */
export function EnvironmentCard({
  place,
  environment,
  isDefault,
  cluster,
  usage,
  range,
}: {
  place: Place;
  environment: EnvironmentOverview;
  isDefault: boolean;
  cluster: ObservedCluster | undefined;
  usage: EnvironmentUsage | undefined;
  range: UsageRange;
}) {
  const { account, service } = place;
  const { name } = environment;
  const heading = `environment-${name}`;
  return (
    <article class="card" aria-labelledby={heading}>
      <h3 id={heading}>
        <a href={pathOf.environment(account, service, name)}>{name}</a>{" "}
        {isDefault ? <Badge kind="off">default</Badge> : null}
      </h3>
      <Facts place={place} environment={environment} cluster={cluster} />
      <p>
        <a class="button" href={`${pathOf.environment(account, service, name)}#pin`}>
          Change the pin<span class="unseen"> of {name}</span>
        </a>
      </p>
      <ShareBar
        label={`Live backends of ${name} by digest`}
        id={`running-${name}`}
        others={{ parts: environment.runningOthers.digests, count: environment.runningOthers.count }}
        parts={environment.running.map(({ digest, tags, count }) => ({
          label: [shortDigest(digest), ...tags].join(" "),
          count,
          path: `${pathOf.backends(account, service)}?${new URLSearchParams({ environment: name, digest })}`,
        }))}
      />
      {usage ? <Lately usage={usage} environment={environment} range={range} /> : null}
    </article>
  );
}

function Facts({
  place: { account, service },
  environment,
  cluster,
}: {
  place: Place;
  environment: EnvironmentOverview;
  cluster: ObservedCluster | undefined;
}) {
  const [pin] = environment.pins;
  return (
    <dl class="facts">
      <PinFacts account={account} service={service} environment={environment} />
      {pin ? (
        <>
          <dt>Since</dt>
          <dd>
            <Time at={pin.at} /> {pin.kind === "push" ? "by a push of" : "by"}{" "}
            <bdi>{pin.by?.token_name ?? "unknown"}</bdi>
            {pin.note === undefined ? null : (
              <>
                : <bdi>{pin.note}</bdi>
              </>
            )}
          </dd>
        </>
      ) : null}
      <dt>Cluster</dt>
      <dd>
        {environment.cluster === null ? (
          "none yet: spawns are refused"
        ) : (
          <>
            <a href={pathOf.cluster(environment.cluster)}>{environment.cluster}</a>{" "}
            {cluster ? clusterBadge(cluster.health) : null}
          </>
        )}
      </dd>
    </dl>
  );
}

/** Plots its spawns, with marks for its pins, and its start-up times. */
function Lately({
  usage: { points, totals, startup },
  environment: { name, pins },
  range,
}: {
  usage: EnvironmentUsage;
  environment: EnvironmentOverview;
  range: UsageRange;
}) {
  return (
    <>
      <TimePlot
        label={`Spawns into ${name}`}
        series={[{ label: "spawned", points: points.map(({ at, spawned }) => ({ at, value: spawned })) }]}
        from={range.from}
        until={range.to}
        bucketMs={range.stepMs}
        marks={pins.map(({ at, image, revision }) => ({
          at: Date.parse(at),
          label: `revision ${revision}: ${shortImage(image)}`,
        }))}
      />
      <dl class="facts">
        <dt>Started</dt>
        <dd>
          {startup === null
            ? "none became ready"
            : `half within ${durationText(startup.p50Ms)}, 90 % within ${durationText(startup.p90Ms)}, 99 % within ${durationText(startup.p99Ms)}`}
        </dd>
        <dt>Connects</dt>
        <dd>
          {totals.spawned} spawned, {totals.reused} reused, {totals.refused} refused
        </dd>
        <dt>Backends</dt>
        <dd>
          {totals.ready} became ready, {totals.failed} did not
        </dd>
      </dl>
    </>
  );
}
