import { describe, expect, test } from "vitest";
import { files, withoutComments } from "./support/rooms/imports.ts";

/*
 * Errors of objects and of the edge are seen: whoever catches one throws it on, asks the classifier what it is, or hands
 * it to the log, as what answers the exceptions of a front door does. What does neither is named here, with the reason why nothing is lost by it.
 */
const exceptions: { path: string; reason: string }[] = [
  {
    path: "objects/webhooks/webhook-sender.ts",
    reason: "the message becomes the attempt's outcome, in the log of deliveries",
  },
  {
    path: "edge/streams/cluster-stream.ts",
    reason: "the message becomes the answer to who wanted the stream",
  },
  {
    path: "edge/streams/backend-output.ts",
    reason: "a cluster's stream that breaks off has ended, as its reader is shown",
  },
  {
    path: "edge/streams/keep-alive.ts",
    reason: "the stream of a reader that was given up: nobody is there to be answered",
  },
  {
    path: "edge/streams/pulled-stream.ts",
    reason: "what cannot be released after a failure; the failure itself is thrown on",
  },
  {
    path: "edge/registry/byte-streams.ts",
    reason: "what cannot be cancelled after a failure; the failure itself is thrown on",
  },
  {
    path: "edge/registry/piece-reader.ts",
    reason:
      "a body that nobody wants the rest of and that cannot be cancelled; a failure before that is thrown on",
  },
];

interface Handler {
  /** The name of the error, null where it has none. */
  error: string | null;
  body: string;
}

/** What stands between the bracket that opens at `start` and the one that closes it. */
function bracketed(text: string, start: number): string {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if ("({[".includes(text.charAt(i))) depth += 1;
    else if (")}]".includes(text.charAt(i))) depth -= 1;
    if (depth === 0) return text.slice(start + 1, i);
  }
  throw new Error("a bracket that nothing closes");
}

/** Every place that takes an error: `catch` clauses, handlers of rejections, and `allSettled`, which takes them all. */
function handlersOf(source: string): Handler[] {
  const text = withoutComments(source);
  const clauses = [...text.matchAll(/\bcatch\s*(?:\(\s*(\w+)[^)]*\)\s*)?\{/g)].map((match) => ({
    error: match[1] ?? null,
    body: bracketed(text, match.index + match[0].length - 1),
  }));
  const rejections = [...text.matchAll(/\.catch\(/g)].map((match) => {
    const body = bracketed(text, match.index + match[0].length - 1);
    return { error: /^\s*(?:async\s*)?\(?\s*(\w+)/.exec(body)?.[1] ?? null, body };
  });
  const settled = [...text.matchAll(/\ballSettled\(/g)].map(() => ({ error: null, body: "" }));
  return [...clauses, ...rejections, ...settled];
}

function isSeen({ error, body }: Handler): boolean {
  if (error === null) return false;
  return (
    /\bthrow\b/.test(body) ||
    new RegExp(`(\\bunreached|\\.failed|\\bconsole\\.error|\\banswerException)\\([^;]*\\b${error}\\b`).test(
      body,
    )
  );
}

describe("the check itself", () => {
  test.each([
    ["try { a(); } catch { return null; }", false],
    ["try { a(); } catch (error) { return null; }", false],
    ["try { a(); } catch (error) { if (b) { log(error); } }", false],
    ["await a().catch(() => undefined);", false],
    ["await a().catch((error) => null);", false],
    ["await Promise.allSettled([a()]);", false],
    ["try { a(); } catch (error) { if (!unreached(error)) throw error; }", true],
    ["try { a(); } catch (error: unknown) { if (b) { log.failed('x', error); } return 1; }", true],
    ["await a().catch((error) => console.error(error));", true],
    ["await a().catch((error) => answerException(error, c));", true],
    ["await a().catch(async (error) => { await b(); throw error; });", true],
  ])("of `%s` says %s", (source, seen) => {
    expect(handlersOf(source).map(isSeen)).toEqual([seen]);
  });

  test("passes over comments", () => {
    expect(handlersOf("// catch {\n/* .catch(() => {}) */")).toEqual([]);
  });
});

test("no error is swallowed in objects and at the edge, but for those that are named", () => {
  const swallowed = files
    .filter(({ room }) => room === "objects" || room === "edge")
    .flatMap(({ path, text }) => handlersOf(text).flatMap((handler) => (isSeen(handler) ? [] : [path])));
  expect(swallowed.toSorted()).toEqual(exceptions.map(({ path }) => path).toSorted());
});
