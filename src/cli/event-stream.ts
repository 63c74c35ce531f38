import { errorAnswerMaxBytes } from "../domain/limits.ts";
import { fetchAnswer, readStart } from "../protocol/remote-answer.ts";
import { dataLines } from "../protocol/sse-lines.ts";
import { refusal, unreachable } from "./client.ts";
import { done, type Outcome, requestFailure } from "./outcome.ts";

/** How long to wait for the head of the answer; the stream itself has no time limit. */
const answerTimeoutMs = 60_000;
/** Longer than any line of the API. */
const lineMaxCharacters = 64 * 1024;

interface FollowedStream {
  /** The deployment's API URL without a slash at its end. */
  base: string;
  /** Unencoded segments. */
  path: readonly string[];
  secret: string;
  /** Called with one line at a time. @returns whether to go on */
  onLine(line: string): Promise<boolean>;
}

/** Reads a stream of the API, of one line an event, until it ends or `onLine` answers false. */
export async function followStream({ base, path, secret, onLine }: FollowedStream): Promise<Outcome<null>> {
  const url = `${base}/${path.map(encodeURIComponent).join("/")}`;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException("no answer", "TimeoutError")), answerTimeoutMs);
  let response: Response;
  try {
    response = await fetchAnswer(url, {
      headers: { authorization: `Bearer ${secret}`, accept: "text/event-stream" },
      redirect: "manual",
      signal: late.signal,
    });
    if (response.status !== 200 || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const text = await readStart(response, { maxBytes: errorAnswerMaxBytes, signal: late.signal });
      return refusal(`GET ${url}`, response, text);
    }
  } catch (error) {
    return unreachable(base, error);
  } finally {
    clearTimeout(timer);
  }
  const lines = dataLines(lineMaxCharacters);
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      for (const line of lines.push(decoder.decode(chunk, { stream: true }))) {
        if (!(await onLine(line))) return done(null);
      }
    }
    return done(null);
  } catch {
    return requestFailure(`the connection to ${base} broke off`);
  }
}
