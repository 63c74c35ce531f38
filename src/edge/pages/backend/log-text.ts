import type { OutputLines } from "../../streams/backend-output.ts";
import { pulledStream } from "../../streams/pulled-stream.ts";
import { type StillAdmitted, whileAdmitted } from "../../streams/while-admitted.ts";
import { outputText } from "./output-text.ts";

/** Plain text has no keep-alives, without which a client that leaves a silent stream goes unnoticed. */
const silentAtMostMs = 300_000;

/** Never anything but plain text: browsers must not sniff another type. */
const headers = {
  "content-type": "text/plain; charset=utf-8",
  "content-security-policy": "default-src 'none'; sandbox",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
} as const;

/** Streams output as plain text until it ends, or is silent for five minutes; then the last line says so. */
export function logTextAnswer(
  output: OutputLines,
  isAdmitted: StillAdmitted,
  silentMs: number = silentAtMostMs,
): Response {
  const encoder = new TextEncoder();

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
        if (lines === null) return { text: "", isLast: true };
        if (lines.length > 0) {
          return { text: lines.map((line) => `${outputText(line)}\n`).join(""), isLast: false };
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  const text = pulledStream({
    async next() {
      const { text, isLast } = await nextText();
      return { items: text === "" ? [] : [encoder.encode(text)], isLast };
    },
    release: (reason) => output.cancel(reason),
  });
  return new Response(whileAdmitted(text, isAdmitted), { headers });
}
