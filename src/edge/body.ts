import { fail, ok, type Result } from "../domain/result.ts";
import { isKnownToBeShort } from "../protocol/remote-answer.ts";
import { noteReadWhole } from "./unread-body.ts";

/** Keeps nothing between two texts that are decoded whole. */
const wholeText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Deeper values would overflow the stack of code that walks them. */
const maxDepth = 64;

/**
 * Reads a body of at most `maxBytes`. Bytes are counted as they arrive, since a chunked body announces no length.
 * @returns the text, or `payload_too_large`, or `bad_request` where it is not UTF-8
 */
export async function readText(request: Request, maxBytes: number): Promise<Result<string>> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) return tooLarge(maxBytes);
  try {
    // `body` is not looked at: the runtime would make a stream of it.
    if (isKnownToBeShort(request.headers, maxBytes + 1)) {
      noteReadWhole(request);
      return ok(wholeText.decode(await request.arrayBuffer()));
    }
    if (!request.body) return ok("");
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
    let bytes = 0;
    let text = "";
    for await (const chunk of request.body.values({ preventCancel: true })) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) return tooLarge(maxBytes);
      text += decoder.decode(chunk, { stream: true });
    }
    return ok(text + decoder.decode());
  } catch (error) {
    if (error instanceof TypeError) return fail("bad_request", malformed(request, "it is not UTF-8"));
    throw error;
  }
}

/** Parses a body's text. An absent body is `{}`: the Jamsocket CLI sends none on some POSTs. */
export function parseJson(request: Request, text: string): Result<unknown> {
  if (text === "") return ok({});
  try {
    const value: unknown = JSON.parse(text);
    if (!isDeeperThan(value, maxDepth)) return ok(value);
    return fail("bad_request", `the body nests deeper than ${maxDepth} levels`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return fail("bad_request", malformed(request, "it is not valid JSON"));
  }
}

function tooLarge(maxBytes: number) {
  return fail("payload_too_large", `the body is larger than ${maxBytes} bytes`);
}

/** src/protocol/README.md, "Their oddities, and what Slipway does about them": the CLI counts characters where HTTP counts bytes. */
function malformed(request: Request, what: string): string {
  const message = `the body cannot be read: ${what}`;
  if (!request.headers.get("user-agent")?.startsWith("jamsocket-cli/")) return message;
  return `${message}. This version of the CLI sends Content-Length in characters, so a body with text outside ASCII arrives cut short; use ASCII only`;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
