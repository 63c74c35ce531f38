import ipaddr from "ipaddr.js";

/** Names and values in turn, as Node has them in `rawHeaders`: nothing is merged, and each keeps its spelling. */
export type FlatHeaders = readonly string[];

/** RFC 9110 7.6.1, and RFC 9112: what concerns one hop only. `transfer-encoding` is kept for the body's sake. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "upgrade",
]);
/** Headers that frame or route a message: a `Connection` header may not remove them, nor may a trailer set them. */
const framing = new Set(["transfer-encoding", "content-length", "host"]);

/** With `_` as well: servers that map headers to CGI-like variables (WSGI, Rack, PHP) do not distinguish them. */
const verifiedName = /^x[-_]verified[-_]/;
const forwardingName = /^(?:x[-_]forwarded[-_]|x[-_]real[-_]ip$|forwarded$)/;

/** The address ranges of trusted peers: a reverse proxy of the cluster's owner. */
const reverseProxyRanges = new Set(["loopback", "private", "linkLocal", "uniqueLocal"]);

export interface ReceivedRequest {
  rawHeaders: FlatHeaders;
  httpVersion: string;
  /** The address of the client, or reverse proxy, that opened the connection. */
  peer: string | undefined;
}

/**
 * The headers that a backend gets: the client's own without those of one hop and without every `x-verified-*`, which
 * are the proxy's to set.
 *
 * Forwarding headers are trusted only from a reverse proxy, which is a peer with a loopback, private or link-local
 * address: its `x-forwarded-*`, `x-real-ip` and `forwarded` stay, and its own address is added to `x-forwarded-for`.
 * Those of any other peer are dropped and set again.
 *
 * @param verified the proxy's own (`verifiedHeaders`, and `x-verified-path`)
 * @param tokenInHeader whether `authorization` carried the connection token, which the backend is not to see
 */
export function forwardedHeaders(
  { rawHeaders, httpVersion, peer }: ReceivedRequest,
  { verified, tokenInHeader }: { verified: FlatHeaders; tokenInHeader: boolean },
): string[] {
  const ofThisHop = connectionOptions(rawHeaders);
  const address = plainAddress(peer);
  const behindFront = isFront(address);
  const seen = new Set<string>();
  const forwardedFor: string[] = [];
  const kept: string[] = [];
  let host = "";
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const value = rawHeaders[i + 1] ?? "";
    const known = name.toLowerCase();
    if (hopByHop.has(known) || ofThisHop.has(known) || verifiedName.test(known)) continue;
    if (known === "host") {
      // The first one has decided the routing, and the backend must see the same.
      if (seen.has(known)) continue;
      host = value;
    } else if (known === "authorization") {
      if (tokenInHeader) continue;
    } else if (known === "expect") {
      if (httpVersion === "1.0") continue;
    } else if (forwardingName.test(known)) {
      if (!behindFront || known.includes("_")) continue;
      if (known === "x-forwarded-for") {
        forwardedFor.push(value);
        continue;
      }
    }
    seen.add(known);
    kept.push(name, value);
  }
  kept.push("x-forwarded-for", [...forwardedFor, address].join(", "));
  if (!seen.has("x-forwarded-proto")) kept.push("x-forwarded-proto", "http");
  // HTTP/1.0 has no `Host`, which the request to the backend, in HTTP/1.1, requires.
  if (!seen.has("host")) kept.push("host", "localhost");
  else if (!seen.has("x-forwarded-host")) kept.push("x-forwarded-host", host);
  kept.push(...verified);
  return kept;
}

/** The headers of a backend's answer without those of its own hop; the server frames the body itself. */
export function answerHeaders(rawHeaders: FlatHeaders): string[] {
  const ofThisHop = connectionOptions(rawHeaders);
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const known = name.toLowerCase();
    if (hopByHop.has(known) || ofThisHop.has(known) || known === "transfer-encoding") continue;
    kept.push(name, rawHeaders[i + 1] ?? "");
  }
  return kept;
}

/** The trailers to pass on, in pairs: RFC 9110 6.5.1 has those out that would frame, route or authenticate. */
export function forwardedTrailers(rawTrailers: FlatHeaders): [name: string, value: string][] {
  const kept: [string, string][] = [];
  for (let i = 0; i + 1 < rawTrailers.length; i += 2) {
    const name = rawTrailers[i] ?? "";
    const known = name.toLowerCase();
    if (hopByHop.has(known) || framing.has(known) || known === "authorization") continue;
    if (verifiedName.test(known) || forwardingName.test(known)) continue;
    kept.push([name, rawTrailers[i + 1] ?? ""]);
  }
  return kept;
}

const noOptions: ReadonlySet<string> = new Set();

/** The names that `Connection` headers list, but for those that frame or address the message. */
function connectionOptions(rawHeaders: FlatHeaders): ReadonlySet<string> {
  let options: Set<string> | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length !== "connection".length || rawHeaders[i]?.toLowerCase() !== "connection")
      continue;
    for (const part of (rawHeaders[i + 1] ?? "").split(",")) {
      const option = part.trim().toLowerCase();
      if (option === "keep-alive" || option === "close" || framing.has(option)) continue;
      options ??= new Set();
      options.add(option);
    }
  }
  return options ?? noOptions;
}

/** RFC 4291 2.5.5.2: IPv4 addresses that a dual-stack socket shows as IPv6 ones are written as what they are. */
function plainAddress(peer: string | undefined): string {
  return peer?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "unknown";
}

function isFront(address: string): boolean {
  return (
    address === "127.0.0.1" ||
    (ipaddr.isValid(address) && reverseProxyRanges.has(ipaddr.parse(address).range()))
  );
}
