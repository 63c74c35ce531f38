import { describe, expect, test } from "vitest";
import {
  AnswerTooLarge,
  CodedAnswer,
  fetchAnswer,
  readJson,
  readStart,
  readText,
} from "../../../src/protocol/remote-answer.ts";
import type { HostilePlace } from "./hostile-place.ts";

const maxBytes = 64 * 1024;

/** What every runtime's `fetch` must make of hostile answers. */
export function remoteAnswerCases(placeOf: () => HostilePlace): void {
  const signal = new AbortController().signal;
  const urlOf = (kind: string) => (kind === "smuggled" ? placeOf().smuggledUrl : `${placeOf().url}/${kind}`);
  const request = (kind: string) => fetchAnswer(urlOf(kind), { signal });
  /** Past the check of the coding, as if it had been hidden. */
  const decoded = (kind: string) => fetch(urlOf(kind));

  describe("a request", () => {
    test("asks for an answer without a content coding, beside its own headers", async () => {
      const answer = await fetchAnswer(urlOf("echo"), { headers: { accept: "text/plain" }, signal });
      expect(await readJson(answer, { maxBytes, signal })).toMatchObject({
        accept: "text/plain",
        "accept-encoding": "identity",
      });
    });

    test.each(["small-br", "small-gzip", "small-unknown", "bomb-br", "bomb-gzip"])(
      "that is answered with a coding is refused: %s",
      async (kind) => {
        await expect(request(kind)).rejects.toThrow(CodedAnswer);
      },
    );
  });

  describe("an answer", () => {
    test.each(["short", "chunked", "identity"])("of a few bytes is read whole: %s", async (kind) => {
      expect(await readText(await request(kind), { maxBytes, signal })).toBe('{"said":"ä"}');
      expect(await readStart(await request(kind), { maxBytes, signal })).toBe('{"said":"ä"}');
      expect(await readJson(await request(kind), { maxBytes, signal })).toEqual({ said: "ä" });
    });

    test.each(["short", "chunked"])(
      "is read to the last byte that is allowed, and no further: %s",
      async (kind) => {
        expect(await readText(await request(kind), { maxBytes: 13, signal })).toBe('{"said":"ä"}');
        await expect(readText(await request(kind), { maxBytes: 12, signal })).rejects.toThrow(AnswerTooLarge);
        expect(await readStart(await request(kind), { maxBytes: 12, signal })).toBe('{"said":"ä"');
      },
    );

    test.each(["short", "chunked"])("is not cut within a character: %s", async (kind) => {
      expect(await readStart(await request(kind), { maxBytes: 10, signal })).toBe('{"said":"');
    });

    test.each(["bomb-br", "bomb-gzip", "flood"])("is counted as it is decoded: %s", async (kind) => {
      await expect(readText(await decoded(kind), { maxBytes, signal })).rejects.toThrow(AnswerTooLarge);
      expect((await readStart(await decoded(kind), { maxBytes, signal })).length).toBe(maxBytes);
    });

    test("that sends more than it announces is not read further than is allowed", async () => {
      const reading = request("smuggled").then((answer) => readStart(answer, { maxBytes, signal }));
      // Node's `fetch` refuses it; workerd's reads the chunks.
      const length = await reading.then(({ length }) => length).catch(() => 0);
      expect([0, maxBytes]).toContain(length);
    });

    test("that does not go on is left when the signal is aborted", async () => {
      const late = new AbortController();
      const answer = await request("silent");
      const reading = readText(answer, { maxBytes, signal: late.signal });
      late.abort(new Error("too late"));
      await expect(reading).rejects.toThrow("too late");
    });

    test("is not begun after that", async () => {
      const aborted = AbortSignal.abort(new Error("too late"));
      await expect(readText(await request("short"), { maxBytes, signal: aborted })).rejects.toThrow(
        "too late",
      );
    });
  });
}
