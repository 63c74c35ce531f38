import { ok } from "../../domain/result.ts";
import type { EnvironmentOverview } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub, serviceStub } from "../../objects/stubs.ts";
import type { ObservedCluster } from "../../protocol/v3/clusters.ts";
import { registryHostOf } from "../origin.ts";
import { clusterBadge } from "./cluster-badge.tsx";
import { Badge, Command, Digest, Empty, ImageName, Time } from "./elements.tsx";
import { definePage, type Visitor } from "./page.ts";
import { pathOf } from "./paths.ts";

/** What a service's environments are pinned to, what runs of it, and where. */
export const servicePage = definePage({
  path: "/service/:account/:service",
  action: "read",
  async show({ env, request, params: { account, service }, visitor }) {
    const overview = await serviceStub(env, account, service).overview(visitor.actor.environments);
    if (!overview.ok) return overview;
    const { environments, defaultEnvironment } = overview.value;
    const clusters = await clustersOf(env, visitor, environments);
    return ok({
      title: service,
      trail: [{ text: "Services", path: pathOf.services() }],
      body: (
        <>
          <section aria-labelledby="environments">
            <h2 id="environments">Environments</h2>
            <div class="cards">
              {environments.map((environment) => (
                <EnvironmentCard
                  account={account}
                  service={service}
                  environment={environment}
                  isDefault={environment.name === defaultEnvironment}
                  cluster={clusters.get(environment.cluster ?? "")}
                />
              ))}
            </div>
          </section>
          {environments.every(({ digest }) => digest === null) ? (
            <NoImages account={account} service={service} host={registryHostOf(env, request)} />
          ) : null}
        </>
      ),
    });
  },
});

/** How the clusters are that environments spawn into; none for a token that may not look at clusters. */
async function clustersOf(env: Env, { identity }: Visitor, environments: readonly EnvironmentOverview[]) {
  const names = [...new Set(environments.flatMap(({ cluster }) => cluster ?? []))];
  const account = accountStub(env, identity.account);
  const found = await Promise.all(names.map((name) => account.getCluster(name)));
  return new Map(found.flatMap((answer) => (answer.ok ? [[answer.value.name, answer.value]] : [])));
}

function EnvironmentCard(props: {
  account: string;
  service: string;
  environment: EnvironmentOverview;
  isDefault: boolean;
  cluster: ObservedCluster | undefined;
}) {
  const { account, service, environment, isDefault, cluster } = props;
  const [pin] = environment.pins;
  return (
    <article class="card" aria-labelledby={`environment-${environment.name}`}>
      <h3 id={`environment-${environment.name}`}>
        <a href={pathOf.environment(account, service, environment.name)}>{environment.name}</a>{" "}
        {isDefault ? <Badge kind="off">default</Badge> : null}
      </h3>
      <dl class="facts">
        <dt>Pinned to</dt>
        <dd>
          <ImageName of={environment.image} />, revision {environment.revision}
        </dd>
        <dt>Runs now</dt>
        <dd>
          {environment.digest === null ? (
            <>nothing: no image with this tag was pushed yet</>
          ) : (
            <Digest of={environment.digest} path={pathOf.image(account, service, environment.digest)} />
          )}
        </dd>
        {pin ? (
          <>
            <dt>Since</dt>
            <dd>
              <Time at={pin.at} /> by {pin.by.token_name}
              {pin.note === undefined ? null : <>: {pin.note}</>}
            </dd>
          </>
        ) : null}
        <dt>Cluster</dt>
        <dd>
          {environment.cluster === null ? (
            <>none yet: spawns are refused</>
          ) : (
            <>
              <a href={pathOf.cluster(environment.cluster)}>{environment.cluster}</a>{" "}
              {cluster ? clusterBadge(cluster.health) : null}
            </>
          )}
        </dd>
        <dt>Live</dt>
        <dd>{environment.live_backends}</dd>
      </dl>
      <a class="button" href={pathOf.environment(account, service, environment.name)}>
        Change the pin
      </a>
    </article>
  );
}

function NoImages({ account, service, host }: { account: string; service: string; host: string }) {
  return (
    <Empty what="No image was pushed to this service yet. With the Jamsocket CLI, or with docker alone:">
      <Command>{`jamsocket push ${service} my-image:latest`}</Command>
      <Command>{`docker login ${host}\ndocker tag my-image:latest ${host}/${account}/${service}:latest\ndocker push ${host}/${account}/${service}:latest`}</Command>
    </Empty>
  );
}
