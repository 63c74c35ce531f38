/**
 * Why an answer is not read although it arrived: it is compressed or otherwise coded. Few bytes of it may stand for any
 * number, and it was requested as it is.
 */
export class CodedAnswer extends Error {
  constructor(coding: string) {
    super(`it answered with the content coding \`${coding.slice(0, 80)}\`, where none was accepted`);
  }
}

/** An answer that was not read to its end, since it has more bytes than were allowed. */
export class AnswerTooLarge extends Error {
  constructor(maxBytes: number) {
    super(`it answered with more than ${maxBytes} bytes`);
  }
}

type FetchInit = Omit<NonNullable<Parameters<typeof fetch>[1]>, "headers"> & {
  headers?: Record<string, string>;
};

/**
 * `fetch` for everything that is not ours: asks for an answer without a content coding (RFC 9110 12.5.3) and refuses any
 * other, so that the bytes that are counted are those that were sent. The answer's body must be read by what is below,
 * streamed with a bound of its own, or cancelled.
 * @returns as `fetch`. Rejects as it does, and with `CodedAnswer`
 */
export async function fetchAnswer(url: string | URL, init: FetchInit): Promise<Response> {
  const response = await fetch(url, {
    ...init,
    headers: { ...init.headers, "accept-encoding": "identity" },
  });
  const coding = response.headers.get("content-encoding");
  if (coding === null || coding === "" || coding.toLowerCase() === "identity") return response;
  await response.body?.cancel();
  throw new CodedAnswer(coding);
}

/** How far and for how long a body is read. */
export interface ReadingLimit {
  /** Counted as they are read, which is after any decoding. */
  maxBytes: number;
  /** Ends the reading when it is aborted, which then rejects with its reason. */
  signal: AbortSignal;
}

/** All of a body as text in UTF-8. Rejects with `AnswerTooLarge`, when the signal is aborted, and where it breaks off. */
export async function readText(answer: Response, { maxBytes, signal }: ReadingLimit): Promise<string> {
  const { text, bytes } = await readUpTo(answer, maxBytes + 1, signal);
  if (bytes > maxBytes) throw new AnswerTooLarge(maxBytes);
  return text;
}

/** All of a body as JSON. Rejects as `readText` does, and with a `SyntaxError` where it is none. */
export async function readJson(answer: Response, limit: ReadingLimit): Promise<unknown> {
  return JSON.parse(await readText(answer, limit));
}

/** The first bytes of a body as text in UTF-8; the rest is not waited for. Rejects as `readText` does, but for the size. */
export async function readStart(answer: Response, { maxBytes, signal }: ReadingLimit): Promise<string> {
  return (await readUpTo(answer, maxBytes, signal)).text;
}

/** Reads to the end or until there are `mostBytes`, and leaves the rest. */
async function readUpTo(answer: Response, mostBytes: number, signal: AbortSignal) {
  signal.throwIfAborted();
  const { body, headers } = answer;
  if (body === null || isKnownToBeShort(headers, mostBytes)) return { text: await answer.text(), bytes: 0 };
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const stop = () => {
    reader.cancel(signal.reason).catch(() => undefined);
  };
  signal.addEventListener("abort", stop);
  let text = "";
  let bytes = 0;
  try {
    while (bytes < mostBytes) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return { text: text + decoder.decode(), bytes };
      const taken = value.subarray(0, mostBytes - bytes);
      bytes += taken.byteLength;
      text += decoder.decode(taken, { stream: true });
    }
    await reader.cancel();
    return { text, bytes };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Whether HTTP itself bounds a body, which is then read in one piece, since that is quicker. A `Content-Length` bounds
 * nothing beside a `Transfer-Encoding`, which overrides it (RFC 9112 6.3), or a coding, which it does not count.
 */
export function isKnownToBeShort(headers: Headers, mostBytes: number): boolean {
  const announced = headers.get("content-length");
  if (announced === null || !(Number(announced) < mostBytes)) return false;
  return !headers.has("transfer-encoding") && !headers.has("content-encoding");
}
