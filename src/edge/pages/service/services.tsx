import { ok, type Result } from "../../../domain/result.ts";
import type { ServiceDescription } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub, serviceStub } from "../../../objects/stubs.ts";
import type { Page, SearchQuery } from "../../../protocol/v3/list.ts";
import { serviceQuery } from "../../../protocol/v3/services.ts";
import { parseInput } from "../../input.ts";
import { accountChanges } from "../../streams/changes.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Digest, ImageName } from "../elements/image-name.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { SearchForm } from "../elements/search-form.tsx";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { definePage } from "../frame/page.ts";
import type { Visitor } from "../frame/page-call.ts";
import { queryFields } from "../frame/query-fields.ts";

/** Of each service; its own page has all. */
const environmentsListed = 10;

/** The account's services, each with its environments' pins and live backends. */
export const servicesPage = definePage({
  path: "/",
  action: "read",
  anyScope: true,
  async show({ env, visitor, query, path }) {
    const parsed = parseInput(serviceQuery, queryFields(query, ["cursor", "search"]), "bad query");
    if (!parsed.ok) return parsed;
    const listed = await servicesOf(env, visitor, parsed.value);
    if (!listed.ok) return listed;
    const { items } = listed.value;
    const { search, cursor } = parsed.value;
    const described = await Promise.all(
      items.map((service) =>
        serviceStub(env, visitor.identity.account, service).describe(
          visitor.actor.environments,
          environmentsListed + 1,
        ),
      ),
    );
    const found = described.flatMap((answer) => (answer.ok ? [answer.value] : []));
    return ok({
      title: "Services",
      body: (
        <>
          <SearchForm label="Name begins with" list={listed.value} {...{ path, query, search }} />
          {found.length === 0 ? (
            <NoServices
              account={visitor.identity.account}
              isAll={search === undefined && cursor === undefined}
            />
          ) : (
            found.map(serviceCard)
          )}
          <Paging what="services" list={listed.value} {...{ path, query }} />
        </>
      ),
    });
  },
  changes: ({ env, visitor }) => accountChanges(env, visitor.identity.account),
});

/** The services that a visitor may see: a token narrowed to one sees that one. */
async function servicesOf(
  env: Env,
  { identity }: Visitor,
  query: SearchQuery,
): Promise<Result<Page<string>>> {
  if (identity.service !== undefined) return ok({ items: [identity.service], next: null, previous: null });
  const page = await accountStub(env, identity.account).listServices(query);
  return page.ok ? ok({ ...page.value, items: page.value.items.map(({ name }) => name) }) : page;
}

function serviceCard(service: ServiceDescription) {
  const { account, name, location, environments, liveBackends, lastSpawnedAt } = service;
  return (
    <article class="card">
      <h2>
        <a href={pathOf.service(account, name)}>{name}</a>
      </h2>
      <p class="facts">
        <span>{liveBackends} live</span>
        <span>last spawn: {lastSpawnedAt === null ? "never" : <Time at={lastSpawnedAt} />}</span>
        <span>location: {location}</span>
      </p>
      <Table caption={`Environments of ${name}`} head={["Environment", "Pinned to", "Runs now", "Live"]}>
        {environments.slice(0, environmentsListed).map((environment) => (
          <tr>
            <th scope="row">
              <a href={pathOf.environment(account, name, environment.name)}>{environment.name}</a>
            </th>
            <td>
              <ImageName of={environment.image} />
            </td>
            <td>{environment.digest === null ? "nothing yet" : <Digest of={environment.digest} />}</td>
            <td>{environment.live_backends}</td>
          </tr>
        ))}
      </Table>
      {environments.length > environmentsListed ? (
        <p>
          <a href={pathOf.service(account, name)}>All environments</a>
        </p>
      ) : null}
    </article>
  );
}

function NoServices({ account, isAll }: { account: string; isAll: boolean }) {
  if (!isAll) return <Empty what="There is no such service." />;
  return (
    <Empty what={`Account ${account} has no services yet. Make one, push an image to it, and spawn:`}>
      <Command>
        {
          "jamsocket service create my-service\njamsocket push my-service my-image:latest\njamsocket connect my-service"
        }
      </Command>
    </Empty>
  );
}
