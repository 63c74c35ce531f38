import type { OutputLines } from "../../streams/backend-output.ts";
import { outputText } from "./output-text.ts";

/** Only a write shows that the client of a stream has left, and plain text has no room for keep-alives. */
const silentAtMostMs = 300_000;

/** Plain text, and nothing else whatever it holds. */
const headers = {
  "content-type": "text/plain; charset=utf-8",
  "content-security-policy": "default-src 'none'; sandbox",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
} as const;

/** Output as plain text, as it comes, until it ends, or is silent for five minutes, which the last line then says. */
export function logTextAnswer(
  output: OutputLines,
  isAdmitted: () => Promise<boolean>,
  silentMs: number = silentAtMostMs,
): Response {
  const encoder = new TextEncoder();
  let isLeft = false;

  async function nextText(): Promise<{ text: string; isLast: boolean }> {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const silence = new Promise<"silent">((resolve) => {
      timer = setTimeout(() => resolve("silent"), silentMs);
    });
    try {
      for (;;) {
        const lines = await Promise.race([output.next(), silence]);
        if (lines === "silent") {
          return { text: "-- nothing was printed for a while: load this again to go on --\n", isLast: true };
        }
        if (lines === null || !(await isAdmitted())) return { text: "", isLast: true };
        if (lines.length > 0) {
          return { text: lines.map((line) => `${outputText(line)}\n`).join(""), isLast: false };
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  const text = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { text, isLast } = await nextText();
        if (isLeft) return;
        if (text !== "") controller.enqueue(encoder.encode(text));
        if (!isLast) return;
        controller.close();
        await output.cancel();
      },
      cancel(reason) {
        isLeft = true;
        return output.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(text, { headers });
}
