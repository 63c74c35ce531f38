import { assetPaths } from "./assets/assets.ts";
import { compression } from "./compression.ts";
import { Document, type Shown } from "./document.tsx";

/** Own sources only, no inline script or style, no framing (CSP level 3). */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A whole page as an answer. */
export async function pageAnswer(
  request: Request,
  shown: Shown,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Promise<Response> {
  const html = await (<Document {...shown} assets={await assetPaths()} />).toString();
  return new Response(`<!doctype html>\n${html}`, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy,
      // Neither for caches, nor for the "back" button after a logout.
      "cache-control": "no-store",
      "referrer-policy": "same-origin",
      "x-content-type-options": "nosniff",
      ...compression(request),
      ...headers,
    },
  });
}
