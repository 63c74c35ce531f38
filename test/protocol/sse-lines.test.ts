import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sseEvent } from "../../src/protocol/sse.ts";
import { dataLines } from "../../src/protocol/sse-lines.ts";

/** What a stream's pieces give, one after the other. */
function read(pieces: readonly string[], maxCharacters = 1000): string[] {
  const lines = dataLines(maxCharacters);
  return pieces.flatMap((piece) => lines.push(piece));
}

describe("the data lines of a stream", () => {
  test("are those of its events, in order, each given when its line has ended", () => {
    const lines = dataLines(100);
    expect(lines.push("data: one\n\ndata: tw")).toEqual(["one"]);
    expect(lines.push("o\n")).toEqual(["two"]);
    expect(lines.push("\ndata:\n\ndata:  indented \n\n")).toEqual(["", " indented "]);
  });

  test("may end in any of the three line ends, and one line of several in an event counts by itself", () => {
    expect(read(["data: a\r\ndata:b\rdata: c\n\n"])).toEqual(["a", "b", "c"]);
  });

  test("are all that is taken: comments, other fields and pages are passed over", () => {
    const page = "<!doctype html>\n<p>data: no</p>\n";
    expect(read([`: comment\nevent: x\nid: 1\n data: no\ndatum: no\ndata\n${page}data: yes\n\n`])).toEqual([
      "yes",
    ]);
  });

  test("are the same wherever the stream is cut", () => {
    const stream = "data: a\r\n\r\n: c\ndata:b 🙂\r\rdata: c\n\nretry: 1\ndata: \n\n";
    const whole = read([stream]);
    expect(whole).toEqual(["a", "b 🙂", "c", ""]);
    for (let at = 0; at <= stream.length; at++) {
      expect(read([stream.slice(0, at), stream.slice(at)])).toEqual(whole);
    }
    expect(read(stream.split(""))).toEqual(whole);
  });

  test("are what was sent, if it was one line", () => {
    const line = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, ""));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(20)), (sent, cuts) => {
        let stream = sent.map(sseEvent).join("");
        const pieces: string[] = [];
        for (const cut of cuts) {
          pieces.push(stream.slice(0, cut));
          stream = stream.slice(cut);
        }
        expect(read([...pieces, stream])).toEqual(sent);
      }),
    );
  });
});

describe("a line that is too long", () => {
  test("is split into pieces of the maximum length as it arrives, and nothing of it is lost", () => {
    const lines = dataLines(4);
    expect(lines.push("data:123")).toEqual([]);
    expect(lines.push("45")).toEqual([]);
    expect(lines.push("6789a")).toEqual(["1234", "5678"]);
    expect(lines.push(" b\n\ndata: next\n")).toEqual(["9a b", "next"]);
    expect(read(["data: 123456789\n"], 4)).toEqual(["1234", "5678", "9"]);
  });

  test("is not cut within a character", () => {
    expect(read(["data: 123🙂56\n"], 4)).toEqual(["123", "🙂56"]);
    expect(read(["data: 12🙂56\n"], 4)).toEqual(["12🙂", "56"]);
  });

  test.for(["\u{10000}", "\u{10ffff}"])(
    "is not cut within the first and the last of two units: %j",
    (last) => {
      expect(read([`data: 123${last}56\n`], 4)).toEqual(["123", `${last}56`]);
    },
  );

  test.for(["\ud7ff", "\ue000", "\uffff"])("is cut after %j, which is a whole character", (whole) => {
    expect(read([`data: 123${whole}56\n`], 4)).toEqual([`123${whole}`, "56"]);
  });

  test("without an end is never held whole", () => {
    const lines = dataLines(1000);
    let given = 0;
    for (let i = 0; i < 100; i++) {
      for (const piece of lines.push(i === 0 ? `data: ${"x".repeat(700)}` : "x".repeat(700))) {
        expect(piece).toHaveLength(1000);
        given += piece.length;
      }
      expect((i + 1) * 700 - given).toBeLessThan(2000);
    }
  });

  test("that is no data line is passed over to its end", () => {
    expect(read(["<html>".repeat(3), "data: no".repeat(10), "\ndata: yes\n"], 8)).toEqual(["yes"]);
  });
});
