import { earliest } from "../../../domain/deliveries/retry.ts";
import { type EventFilter, type EventKind, eventIdPattern, eventKind } from "../../../domain/events.ts";
import {
  eventsKeptMax,
  eventsKeptMs,
  eventsReadForPage,
  eventsReplayedMax,
  eventsTrimDelayMs,
  eventsTrimmedAtOnce,
} from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { AccountEvent } from "../../../protocol/v3/events.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Alarm } from "../../alarm.ts";
import type { Database } from "../../database.ts";
import { type EventParams, newEvent } from "../../events.ts";
import { type Followers, sendToSocket } from "../../followers.ts";
import { cursorBack, type Keys, pageAt, readCursor } from "../../page.ts";
import type { EventRow, EventsSql } from "./events.sql.ts";

type Writing = Pick<EventsSql, "insertEvent">;

/**
 * Records what was done, inside the transaction of the change itself; followers are notified after the commit.
 * @param now milliseconds since the epoch
 */
export function recordEvent(sql: Writing, event: EventParams, now: number): void {
  addEvent(sql, newEvent(event, now));
}

/** Records events that another object made. One that is recorded already is left as it is. */
export function recordEvents(sql: Writing, events: readonly AccountEvent[]): Result<null> {
  for (const event of events) addEvent(sql, event);
  return ok(null);
}

function addEvent(sql: Writing, event: AccountEvent): void {
  sql.insertEvent({
    id: event.id,
    at: Date.parse(event.time),
    type: event.type,
    service: event.service ?? null,
    environment: event.environment ?? null,
    cluster: event.cluster ?? null,
    kind: eventKind(event),
    event: JSON.stringify(event),
  });
}

/**
 * A page of events, newest first. Its cursors are the ids of the first and the last that are shown, or looked at: with a filter that
 * matches few it may hold less than its limit, or nothing, and have a next page all the same.
 */
export function listEvents(
  sql: EventsSql,
  { limit, cursor, ...filter }: ListQuery & EventFilter,
): Result<Page<AccountEvent>> {
  const from = readCursor({ cursor }, eventIds);
  if (!from.ok) return from;
  const page = pageAt(from.value, limit, {
    read: (position, atMost) => sql.eventsBeyond(position, atMost, filter, eventsReadForPage),
    keyOf: ({ id }) => id,
    item: eventOf,
  });
  const { leadsBack } = from.value;
  if ((leadsBack ? page.previous : page.next) !== null) return ok(page);
  const lookedTo = sql.nthBeyond(from.value, eventsReadForPage);
  if (lookedTo === undefined) return ok(page);
  return ok(leadsBack ? { ...page, previous: cursorBack(lookedTo) } : { ...page, next: lookedTo });
}

/** Their order is that of time. */
const eventIds: Keys<string> = {
  start: "\uffff",
  parse: (text) => (eventIdPattern.test(text) ? text : null),
};

function eventOf(row: EventRow): AccountEvent {
  return JSON.parse(row.event);
}

const eventKinds: readonly EventKind[] = ["deed", "activity"];

const followed = "events";
const sentAtOnce = 200;

/** What becomes of events once they are recorded: followers are sent them, and when they are old they go. */
export class EventFeed {
  readonly #db: Database;
  readonly #sql: EventsSql;
  readonly #followers: Followers;
  readonly #alarm: Alarm;
  /** Up to where in the order of recording followers were sent them. */
  #sentSeq: number;
  #isScheduled = false;

  constructor({ db, sql }: { db: Database; sql: EventsSql }, followers: Followers, alarm: Alarm) {
    this.#db = db;
    this.#sql = sql;
    this.#followers = followers;
    this.#alarm = alarm;
    this.#sentSeq = db.ready ? sql.lastEventSeq() : 0;
  }

  /** Call at every write of an event, also one that is rolled back: it looks after the transaction. */
  changed(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#db.ready) this.#committed(Date.now());
    });
  }

  /**
   * Answers a request to follow, `?after=<event id>&filter=<JSON: EventFilter>`: what was recorded after that event and
   * passes the filter, then all that is recorded. Where too much was recorded the socket is closed early: the follower
   * is to come again. 404 where there is no account, 503 where there is no place.
   */
  follow(request: Request): Response {
    if (!this.#db.ready) return new Response(null, { status: 404 });
    const query = new URL(request.url).searchParams;
    const after = query.get("after");
    const filter: EventFilter = JSON.parse(query.get("filter") ?? "{}");
    return this.#followers.answer(followed, (socket) => {
      if (after === null) return;
      const seq = this.#sql.eventSeq(after);
      const rows = this.#sql.eventsRecordedAfter(seq, eventsReplayedMax + 1, filter);
      const replayed = rows.slice(0, eventsReplayedMax).map(eventOf);
      sendToSocket(socket, replayed, rows.length > replayed.length ? "there is more" : undefined);
    });
  }

  /** Deletes a batch of what is too old or too much: the alarm's work. @param now milliseconds since the epoch */
  trim(now: number): void {
    if (!this.#db.ready) return;
    for (const kind of eventKinds) {
      this.#sql.trimEvents(kind, now - eventsKeptMs, eventsKeptMax[kind], eventsTrimmedAtOnce);
    }
    this.#sentSeq = this.#sql.lastEventSeq();
    this.#alarm.noLaterThan(this.#trimDueAt(now, 0));
  }

  #committed(now: number): void {
    if (this.#followers.isFollowed(followed)) {
      for (;;) {
        const rows = this.#sql.eventsRecordedAfter(this.#sentSeq, sentAtOnce, {});
        this.#sentSeq = rows.at(-1)?.seq ?? this.#sentSeq;
        this.#followers.send(followed, rows.map(eventOf));
        if (rows.length < sentAtOnce) break;
      }
    } else this.#sentSeq = this.#sql.lastEventSeq();
    this.#alarm.noLaterThan(this.#trimDueAt(now, eventsTrimDelayMs));
  }

  /** When something has to go: not at once when one more is too many, so that not every event deletes another. */
  #trimDueAt(now: number, delayMs: number): number | null {
    const due = eventKinds.map((kind) => {
      const kept = this.#sql.eventsKept(kind);
      if (!kept) return null;
      return kept.count > eventsKeptMax[kind] ? now + delayMs : kept.at + eventsKeptMs;
    });
    return earliest(due);
  }
}
