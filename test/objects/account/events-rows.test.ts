import { runInDurableObject } from "cloudflare:test";
import { expect } from "vitest";
import { eventsReadForPage } from "../../../src/domain/limits.ts";
import type { EventQuery } from "../../../src/protocol/v3/events.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { value } from "../support/service.ts";

test("a page of events looks at a bounded number of them, and its cursor goes on from there", async ({
  hello,
}) => {
  const many = 3 * eventsReadForPage;
  await runInDurableObject(hello.accountObject, (_, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO events (id, at, type, service, event, kind, ordinal)
       SELECT 'z' || printf('%019d', n.i), at, 'pin.changed', 'other', event, kind, last.ordinal + n.i
       FROM n, (SELECT * FROM events WHERE kind = 'deed' ORDER BY ordinal DESC LIMIT 1) AS last`,
      many,
    );
  });
  const meter = await metered(hello.accountObject);
  const found: string[] = [];
  let pages = 0;
  let cursor: string | null = null;
  do {
    const query: Partial<EventQuery> = { type: "service.created", ...(cursor === null ? {} : { cursor }) };
    meter.reset();
    const page = value(await hello.accountObject.listEvents({ limit: 50, ...query }));
    // Of each: its row and that of an index; and the index once more, for where the next page begins.
    expect(meter.cost.read).toBeLessThanOrEqual(3 * eventsReadForPage + 10);
    found.push(...page.items.map(({ service }) => service ?? ""));
    cursor = page.next;
    pages += 1;
  } while (cursor !== null);
  expect(found).toEqual(["hello"]);
  expect(pages).toBe(4);
});
