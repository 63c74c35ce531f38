import type { IncomingMessage } from "node:http";

/**
 * Makes of a target in absolute form, which clients send to what they take for a proxy, the path and the host that it
 * means. The host replaces that of the header (RFC 9112 3.2.2). Any other target stays as it is.
 * @example "GET http://eu.example.com/x?y HTTP/1.1" // "GET /x?y HTTP/1.1" with "Host: eu.example.com"
 */
export function acceptAbsoluteForm(request: IncomingMessage): void {
  const found = /^https?:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(request.url ?? "");
  const [, host, rest = ""] = found ?? [];
  if (host === undefined) return;
  request.url = rest.startsWith("/") ? rest : `/${rest}`;
  request.headers.host = host;
  const { rawHeaders } = request;
  const kept = rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)]?.toLowerCase() !== "host");
  request.rawHeaders = ["Host", host, ...kept];
}
