import { permits } from "../../../domain/credentials/access.ts";
import { type EventFilter, matchesEvent } from "../../../domain/events.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Identity } from "../../../objects/contract.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { type EventQuery, eventQuery } from "../../../protocol/v3/events.ts";
import { definedFields } from "../../defined-fields.ts";
import { parseInput } from "../../input.ts";
import { type AccountChange, accountChanges } from "../../streams/changes.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { EventFilterForm } from "./event-filter-form.tsx";
import { EventTable } from "./event-table.tsx";

const narrowingFields = ["service", "environment", "cluster", "type"] as const;

/** The account's events with their actors, newest first; the first page is live. */
export const eventsPage = definePage({
  path: "/events",
  action: "read",
  anyScope: true,
  async show({ env, query, visitor }) {
    const parsed = readQuery(query, visitor.identity);
    if (!parsed.ok) return parsed;
    const account = accountStub(env, visitor.identity.account);
    const listed = await account.listEvents(parsed.value, visitor.actor.environments);
    if (!listed.ok) return listed;
    const { items, previous } = listed.value;
    const { limit, cursor, ...narrowing } = parsed.value;
    const isNarrowed = narrowingFields.some((field) => (query.get(field) ?? "") !== "");
    return ok({
      title: "Events",
      // What has newer ones after it has older events only, which do not change.
      isFinal: previous !== null,
      body: (
        <>
          <EventFilterForm filter={narrowing} scope={visitor.identity} />
          {items.length === 0 ? (
            <NoEvents isNarrowed={isNarrowed} isFirst={cursor === undefined} />
          ) : (
            <EventTable events={items} account={visitor.identity.account} />
          )}
          <Paging
            what="events"
            back="Later events"
            forward="Earlier events"
            list={listed.value}
            query={new URLSearchParams(definedFields({ ...narrowing, cursor }))}
            path={pathOf.events()}
          />
        </>
      ),
    });
  },
  changes({ env, query, visitor }) {
    const parsed = readQuery(query, visitor.identity);
    const changes = accountChanges(env, visitor.identity.account);
    if (!parsed.ok) return changes;
    const { limit, cursor, ...narrowing } = parsed.value;
    return changes.pipeThrough(only({ ...narrowing, allowedEnvironments: visitor.actor.environments }));
  },
});

/** The page's query. As at the API, a token narrowed to a service defaults to it, and gets `forbidden` for others. */
function readQuery(query: URLSearchParams, identity: Identity): Result<EventQuery> {
  const parsed = parseInput(eventQuery, queryFields(query, [...narrowingFields, "cursor"]), "bad filter");
  if (!parsed.ok) return parsed;
  const service = parsed.value.service ?? identity.service;
  const { environment } = parsed.value;
  const permitted = permits(identity, "read", definedFields({ service, environment }));
  return permitted.ok ? ok({ ...parsed.value, service }) : permitted;
}

/** Drops the changes that the page's filter would not show. */
function only(filter: EventFilter): TransformStream<AccountChange, AccountChange> {
  return new TransformStream({
    transform(change, controller) {
      if (change.event === null || matchesEvent(filter, change.event)) controller.enqueue(change);
    },
  });
}

function NoEvents({ isNarrowed, isFirst }: { isNarrowed: boolean; isFirst: boolean }) {
  if (!isFirst) return <Empty what="There are no earlier events." />;
  if (isNarrowed) return <Empty what="No event matches this filter." />;
  return (
    <Empty what="Nothing has happened yet. What changes the account is told here as it happens; for instance:">
      <Command>jamsocket service create my-service</Command>
    </Empty>
  );
}
