import { environmentsShown } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import type { EnvironmentOverview } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub, serviceStub } from "../../../objects/stubs.ts";
import { environmentQuery } from "../../../protocol/v3/services.ts";
import { parseInput } from "../../input.ts";
import { registryHostOf } from "../../origin.ts";
import { serviceChanges } from "../../streams/changes.ts";
import { BackendTable } from "../elements/backend-table.tsx";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { SearchForm } from "../elements/search-form.tsx";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { EnvironmentCard } from "./environment-card.tsx";
import { RangeLinks, usageRange } from "./usage-range.tsx";

const backendsShown = 20;
/** The query field of the cursor of a page of environments. */
const environmentsField = "environments";

/** One service: its environments, live backends and clusters, and its recent usage. */
export const servicePage = definePage({
  path: "/service/:account/:service",
  action: "read",
  async show({ env, request, params: { account, service }, query, path, visitor }) {
    const { environments: allowed } = visitor.actor;
    const owner = serviceStub(env, account, service);
    const range = usageRange(query, Date.now());
    const parsed = parseInput(
      environmentQuery,
      { ...queryFields(query, ["search"]), ...cursorOf(query), limit: environmentsShown },
      "bad query",
    );
    if (!parsed.ok) return parsed;
    const { search } = parsed.value;
    const [overview, backends] = await Promise.all([
      owner.overview(allowed, parsed.value),
      owner.listBackends({ limit: backendsShown }, allowed),
    ]);
    if (!overview.ok) return overview;
    if (!backends.ok) return backends;
    const { location, environments, defaultEnvironment } = overview.value;
    const [usage, clusters] = await Promise.all([
      owner.usage({ ...range, environments: environments.map(({ name }) => name) }),
      clustersOf(env, account, environments),
    ]);
    if (!usage.ok) return usage;
    return ok({
      title: service,
      trail: [{ text: "Services", path: pathOf.services() }],
      body: (
        <>
          <p class="facts">
            <a href={pathOf.images(account, service)}>Images</a>
            <a href={pathOf.backends(account, service)}>Backends</a>
            <a href={`${pathOf.events()}?service=${service}`}>Events</a>
            <span>location: {location}</span>
          </p>
          <section aria-labelledby="environments">
            <h2 id="environments">Environments</h2>
            <SearchForm
              label="Name contains"
              list={overview.value}
              cursors={[environmentsField]}
              {...{ path, query, search }}
            />
            {environments.length === 0 ? <p>There is no such environment.</p> : null}
            {environments.length > 0 && environments.every(({ digest }) => digest === null) ? (
              <NoImages account={account} service={service} host={registryHostOf(env, request)} />
            ) : (
              <RangeLinks path={path} query={query} />
            )}
            <div class="cards">
              {environments.map((environment) => (
                <EnvironmentCard
                  place={{ account, service }}
                  environment={environment}
                  isDefault={environment.name === defaultEnvironment}
                  cluster={clusters.get(environment.cluster ?? "")}
                  usage={usage.value.find((of) => of.environment === environment.name)}
                  range={range}
                />
              ))}
            </div>
            <Paging
              what="environments"
              list={overview.value}
              field={environmentsField}
              {...{ path, query }}
            />
          </section>
          <section aria-labelledby="backends">
            <h2 id="backends">Live backends</h2>
            {backends.value.items.length === 0 ? (
              <NoBackends service={service} environments={environments} />
            ) : (
              <BackendTable
                backends={backends.value.items}
                account={account}
                service={service}
                caption="The latest, newest first"
              />
            )}
            {backends.value.next === null ? null : (
              <p>
                <a href={pathOf.backends(account, service)}>All live backends</a>
              </p>
            )}
          </section>
        </>
      ),
    });
  },
  changes: ({ env, params: { account, service } }) => serviceChanges(env, account, service),
});

function cursorOf(query: URLSearchParams) {
  const { [environmentsField]: cursor } = queryFields(query, [environmentsField]);
  return cursor === undefined ? {} : { cursor };
}

/** The health of the clusters that environments spawn into. */
async function clustersOf(env: Env, account: string, environments: readonly EnvironmentOverview[]) {
  const names = [...new Set(environments.flatMap(({ cluster }) => cluster ?? []))];
  const owner = accountStub(env, account);
  const found = await Promise.all(names.map((name) => owner.getCluster(name)));
  return new Map(found.flatMap((answer) => (answer.ok ? [[answer.value.name, answer.value]] : [])));
}

function NoImages({ account, service, host }: { account: string; service: string; host: string }) {
  const image = `${host}/${account}/${service}:latest`;
  return (
    <Empty what="No image was pushed to this service yet. With the Jamsocket CLI, or with docker alone:">
      <Command>{`jamsocket push ${service} my-image:latest`}</Command>
      <Command>{`docker login ${host}\ndocker tag my-image:latest ${image}\ndocker push ${image}`}</Command>
    </Empty>
  );
}

function NoBackends({
  service,
  environments,
}: {
  service: string;
  environments: readonly EnvironmentOverview[];
}) {
  const environment = environments.find(({ digest }) => digest !== null)?.name;
  if (environment === undefined) return <p>None: there is no image to run yet.</p>;
  return (
    <Empty what="None is live. Start one:">
      <Command>{`jamsocket connect ${service}/${environment}`}</Command>
    </Empty>
  );
}
