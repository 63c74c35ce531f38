import { permits } from "../../../domain/credentials/access.ts";
import { type EventFilter, matchesEvent } from "../../../domain/events.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Identity } from "../../../objects/contract.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { type EventQuery, eventQuery } from "../../../protocol/v3/events.ts";
import { definedFields } from "../../defined.ts";
import { parseInput } from "../../input.ts";
import { type AccountNews, accountNews } from "../../streams/news.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { pathOf } from "../elements/paths.ts";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { EventFilterForm } from "./event-filter-form.tsx";
import { EventTable } from "./event-table.tsx";

const narrowingFields = ["service", "environment", "cluster", "type"] as const;

/** What was done in the account and by whom, newest first; the first page is live. */
export const eventsPage = definePage({
  path: "/events",
  action: "read",
  anyScope: true,
  async show({ env, query, visitor }) {
    const asked = readQuery(query, visitor.identity);
    if (!asked.ok) return asked;
    const account = accountStub(env, visitor.identity.account);
    const listed = await account.listEvents(asked.value, visitor.actor.environments);
    if (!listed.ok) return listed;
    const { items, next } = listed.value;
    const { limit, cursor, ...narrowing } = asked.value;
    const isNarrowed = narrowingFields.some((field) => (query.get(field) ?? "") !== "");
    return ok({
      title: "Events",
      // Earlier pages have nothing new to come.
      isFinal: cursor !== undefined,
      body: (
        <>
          <EventFilterForm asked={narrowing} scope={visitor.identity} />
          {items.length === 0 ? (
            <NoEvents isNarrowed={isNarrowed} isFirst={cursor === undefined} />
          ) : (
            <EventTable events={items} account={visitor.identity.account} />
          )}
          {next === null ? null : (
            <p>
              <a
                href={`${pathOf.events()}?${new URLSearchParams({ ...definedFields(narrowing), cursor: next })}`}
              >
                Earlier events
              </a>
            </p>
          )}
        </>
      ),
    });
  },
  news({ env, query, visitor }) {
    const asked = readQuery(query, visitor.identity);
    const news = accountNews(env, visitor.identity.account);
    if (!asked.ok) return news;
    const { limit, cursor, ...narrowing } = asked.value;
    return news.pipeThrough(only({ ...narrowing, allowedEnvironments: visitor.actor.environments }));
  },
});

/** What is asked for. A token that is narrowed to a service asks for that one, as the API has it: `forbidden` otherwise. */
function readQuery(query: URLSearchParams, identity: Identity): Result<EventQuery> {
  const asked = parseInput(eventQuery, queryFields(query, [...narrowingFields, "cursor"]), "bad filter");
  if (!asked.ok) return asked;
  const service = asked.value.service ?? identity.service;
  const { environment } = asked.value;
  const permitted = permits(identity, "read", definedFields({ service, environment }));
  return permitted.ok ? ok({ ...asked.value, service }) : permitted;
}

/** Only the news that such a page would show. */
function only(filter: EventFilter): TransformStream<AccountNews, AccountNews> {
  return new TransformStream({
    transform(news, controller) {
      if (news.event === null || matchesEvent(filter, news.event)) controller.enqueue(news);
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
