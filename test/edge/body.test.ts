import { describe, expect, test } from "vitest";
import { readText } from "../../src/edge/body.ts";

const maxBytes = 1000;

function post(bytes: number, headers: Record<string, string>): Request {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let left = bytes; left > 0; left -= 100) controller.enqueue(new Uint8Array(100).fill(0x20));
      controller.close();
    },
  });
  return new Request("https://api.test/", { method: "POST", body, headers });
}

describe("a request's body is counted as it arrives", () => {
  test.each([
    ["without a length", {}],
    [
      "with a length that its chunks override (RFC 9112 6.3)",
      { "content-length": "5", "transfer-encoding": "chunked" },
    ],
    ["with a length that is none", { "content-length": "many" }],
  ])("%s", async (_, headers: Record<string, string>) => {
    expect(await readText(post(maxBytes, headers), maxBytes)).toEqual({
      ok: true,
      value: " ".repeat(maxBytes),
    });
    expect(await readText(post(maxBytes + 100, headers), maxBytes)).toMatchObject({
      ok: false,
      error: { code: "payload_too_large" },
    });
  });
});
