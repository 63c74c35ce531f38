import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sseEvent, sseEventWithId, sseHeaders, sseLineEvents } from "../../src/protocol/sse.ts";

/** The events of a stream, by a reader that follows the WHATWG HTML standard, section 9.2.6. */
function readEvents(stream: string): string[] {
  const events: string[] = [];
  createParser({ onEvent: ({ data }) => events.push(data) }).feed(stream);
  return events;
}

describe("an event", () => {
  test("of an object is its JSON in one line and a blank one", () => {
    expect(sseEvent({ status: "ready" })).toBe('data: {"status":"ready"}\n\n');
  });

  test("of a text is the text unchanged", () => {
    expect(sseEvent("a line of output")).toBe("data: a line of output\n\n");
  });

  test("has no line that does not begin with `data:`, whatever it carries", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()), (value) => {
        const lines = sseEvent(value).split(/\r\n|\r|\n/);
        expect(lines.splice(-2)).toEqual(["", ""]);
        for (const line of lines) expect(line).toMatch(/^data: /);
      }),
    );
  });

  test("is read again as it was sent, once, with line ends as line feeds", () => {
    const text = fc
      .array(fc.constantFrom("a", "data: x", " ", ":", "\n", "\r", "\r\n", "ü"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, text, (first, second) => {
        const sent = [first, second].map((each) => each.replace(/\r\n|\r/g, "\n"));
        expect(readEvents(sseEvent(first) + sseEvent(second))).toEqual(sent);
      }),
    );
  });

  test("of an object is read again as the same object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const [event] = readEvents(sseEvent(value));
        expect(JSON.stringify(JSON.parse(event ?? ""))).toBe(JSON.stringify(value));
      }),
    );
  });
});

test("an event with an id is an event that begins with it, which a reader remembers", () => {
  const event = sseEventWithId("0001a", { type: "service.created" });
  expect(event).toBe('id: 0001a\ndata: {"type":"service.created"}\n\n');
  const read: [string | undefined, string][] = [];
  createParser({ onEvent: ({ id, data }) => read.push([id, data]) }).feed(
    event + sseEventWithId("0002", "a\nb"),
  );
  expect(read).toEqual([
    ["0001a", '{"type":"service.created"}'],
    ["0002", "a\nb"],
  ]);
});

test("a text as events of one line each is as many events as it has lines", () => {
  expect(readEvents(sseLineEvents("10%\r20%\r\ndone\n"))).toEqual(["10%", "20%", "done", ""]);
  expect(sseLineEvents("one")).toBe(sseEvent("one"));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(readEvents(sseLineEvents(text)).join("\n")).toBe(text.replace(/\r\n|\r/g, "\n"));
    }),
  );
});

test("a stream's headers keep proxies from holding events back", () => {
  expect(sseHeaders).toEqual({
    "content-type": "text/event-stream",
    "cache-control": expect.stringContaining("no-transform"),
    "x-accel-buffering": "no",
  });
});
