import { getEventListeners } from "node:events";
import { createServer, type OutgoingHttpHeaders } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  AnswerTooLarge,
  CodedAnswer,
  fetchAnswer,
  isKnownToBeShort,
  readStart,
  readText,
} from "../../src/protocol/remote-answer.ts";
import { startHostileAnswers } from "../support/remote/hostile-answers.ts";
import type { HostilePlace } from "../support/remote/hostile-place.ts";
import { remoteAnswerCases } from "../support/remote/remote-answer.case.ts";
import { share } from "../support/shared.ts";

describe("in Node", () => {
  let place: HostilePlace;
  share({
    start: async (stack) => {
      place = stack.use(await startHostileAnswers());
    },
  });
  remoteAnswerCases(() => place);
});

const { signal } = new AbortController();

/** An answer in memory whose body is read piece by piece, and what its sender sees of that. */
function streamed(pieces: readonly string[], { ends = true } = {}) {
  const encoder = new TextEncoder();
  const cancelled = vi.fn();
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = left.shift();
        if (piece !== undefined) controller.enqueue(encoder.encode(piece));
        else if (ends) controller.close();
      },
      cancel: cancelled,
    },
    { highWaterMark: 0 },
  );
  return { answer: new Response(body), cancelled, left };
}

describe("a body in pieces", () => {
  test("is read to its end as one text", async () => {
    const { answer, cancelled } = streamed(["one ", "two ", "three"]);
    expect(await readText(answer, { maxBytes: 13, signal })).toBe("one two three");
    expect(cancelled).not.toHaveBeenCalled();
  });

  test("is left where it has more than is allowed, and the rest is not requested", async () => {
    const long = streamed(["one ", "two ", "three ", "four"]);
    await expect(readText(long.answer, { maxBytes: 7, signal })).rejects.toThrow(AnswerTooLarge);
    expect(long.cancelled).toHaveBeenCalledOnce();
    expect(long.left).toEqual(["three ", "four"]);
    const begun = streamed(["one ", "two ", "three "], { ends: false });
    expect(await readStart(begun.answer, { maxBytes: 6, signal })).toBe("one tw");
    expect(begun.cancelled).toHaveBeenCalledOnce();
  });

  test("that does not go on is cancelled for the reason for which the signal is aborted", async () => {
    const stopping = new AbortController();
    const { answer, cancelled } = streamed(["one "], { ends: false });
    const reading = readText(answer, { maxBytes: 100, signal: stopping.signal });
    const reason = new Error("too late");
    stopping.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(cancelled).toHaveBeenCalledExactlyOnceWith(reason);
  });

  test.for([
    ["read", ["one"], 100],
    ["too large", ["one", "two"], 2],
  ] as const)("leaves nothing with the signal when it is %s", async ([, pieces, maxBytes]) => {
    const long = new AbortController();
    await readText(streamed(pieces).answer, { maxBytes, signal: long.signal }).catch(() => undefined);
    expect(getEventListeners(long.signal, "abort")).toEqual([]);
  });
});

test("an answer without a body is read as an empty text", async () => {
  const answer = new Response(null, { status: 204 });
  expect(await readText(answer, { maxBytes: 10, signal })).toBe("");
});

test("a body that HTTP bounds is read in one piece", async () => {
  const answer = new Response("short", { headers: { "content-length": "5" } });
  const atOnce = vi.spyOn(answer, "text");
  expect(await readText(answer, { maxBytes: 5, signal })).toBe("short");
  expect(atOnce).toHaveBeenCalledOnce();
});

describe("a body of less than 10 bytes is known to be short", () => {
  test.for([
    [{ "content-length": "9" }, true],
    [{ "content-length": "0" }, true],
    [{ "content-length": "10" }, false],
    [{}, false],
    [{ "content-length": "9, 9" }, false],
    [{ "content-length": "many" }, false],
    // RFC 9112 6.3: the length is overridden.
    [{ "content-length": "9", "transfer-encoding": "chunked" }, false],
    // RFC 9110 8.6: the length is that of the coded bytes.
    [{ "content-length": "9", "content-encoding": "gzip" }, false],
  ] as const)("with %j: %s", ([headers, short]) => {
    expect(isKnownToBeShort(new Headers(headers), 10)).toBe(short);
  });
});

describe("an answer's content coding", () => {
  /** What a server is requested that answers with these headers. */
  async function requestOf(status: number, headers: OutgoingHttpHeaders) {
    const server = createServer((_request, response) => response.writeHead(status, headers).end());
    onTestFinished(() => server[Symbol.asyncDispose]());
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    return fetchAnswer(`http://127.0.0.1:${port}/`, { signal });
  }

  test.for(["", "identity", "IDENTITY"])("may be %j, which is none", async (coding) => {
    expect((await requestOf(200, { "content-encoding": coding })).status).toBe(200);
  });

  test("is refused where there is no body either", async () => {
    await expect(requestOf(204, { "content-encoding": "gzip" })).rejects.toThrow(CodedAnswer);
  });

  test("is named in the refusal, by its first 80 characters", () => {
    expect(new CodedAnswer("br").message).toBe(
      "it answered with the content coding `br`, where none was accepted",
    );
    expect(new CodedAnswer(`${"x".repeat(80)}y`).message).toContain(`\`${"x".repeat(80)}\``);
  });
});

test("an answer that is too large is refused with the number of bytes that are allowed", () => {
  expect(new AnswerTooLarge(1024).message).toBe("it answered with more than 1024 bytes");
});
