import { ok } from "../../../domain/result.ts";
import type { ServiceDescription } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { accountStub, serviceStub } from "../../../objects/stubs.ts";
import { accountChanges } from "../../streams/changes.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Digest, ImageName } from "../elements/image-name.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { definePage } from "../frame/page.ts";
import type { Visitor } from "../frame/page-call.ts";

/** Services shown; each costs one call of its object. */
const servicesShown = 50;
/** Of each service; its own page has all. */
const environmentsListed = 10;

/** The account's services, each with its environments' pins and live backends. */
export const servicesPage = definePage({
  path: "/",
  action: "read",
  anyScope: true,
  async show({ env, visitor, query }) {
    const listed = await servicesOf(env, visitor, query.get("cursor"));
    if (!listed.ok) return listed;
    const { services, next } = listed.value;
    const described = await Promise.all(
      services.map((service) =>
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
          {found.length === 0 ? <NoServices account={visitor.identity.account} /> : found.map(serviceCard)}
          {next === null ? null : (
            <p>
              <a href={`/?cursor=${encodeURIComponent(next)}`}>More services</a>
            </p>
          )}
        </>
      ),
    });
  },
  changes: ({ env, visitor }) => accountChanges(env, visitor.identity.account),
});

/** The services that a visitor may see: a token narrowed to one sees that one. */
async function servicesOf(env: Env, { identity }: Visitor, cursor: string | null) {
  if (identity.service !== undefined) return ok({ services: [identity.service], next: null });
  const query = { limit: servicesShown, ...(cursor === null ? {} : { cursor }) };
  const page = await accountStub(env, identity.account).listServices(query);
  return page.ok ? ok({ services: page.value.items.map(({ name }) => name), next: page.value.next }) : page;
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

function NoServices({ account }: { account: string }) {
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
