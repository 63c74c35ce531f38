import type { IncomingMessage } from "node:http";
import type { FlatHeaders } from "./headers.ts";

/**
 * What lets pages of every origin read an answer. No cookie opens a backend: who has the token in the URL or in a
 * header may read what it opens. Browsers take `*` for every header but `Authorization` (Fetch, 4.9).
 */
export const corsHeaders = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "*",
  "access-control-allow-headers": "*, Authorization",
} as const;

const corsNames: ReadonlySet<string> = new Set(Object.keys(corsHeaders));

/** What a backend's answer is to have beside its own headers: nothing where any of those above is among them. */
export function corsFor(rawHeaders: FlatHeaders): Partial<typeof corsHeaders> {
  const hasOwn = rawHeaders.some((name, i) => i % 2 === 0 && corsNames.has(name.toLowerCase()));
  return hasOwn ? {} : corsHeaders;
}

/** Whether a browser asks by it if it may send the request that a page wants to make (Fetch, 4.8). */
export function isPreflight({ method, headers }: Pick<IncomingMessage, "method" | "headers">): boolean {
  return (
    method === "OPTIONS" &&
    headers.origin !== undefined &&
    headers["access-control-request-method"] !== undefined
  );
}
