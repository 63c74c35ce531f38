import ipaddr from "ipaddr.js";
import { baseUrlMaxBytes, dnsLabelMaxBytes, hostMaxBytes } from "../../domain/limits.ts";

/** Azure's metadata and platform service answers on a public address. */
const metadataAddresses = ["168.63.129.16"];
/** All global unicast addresses that IANA has allocated (RFC 4291 2.4). Older embeddings of IPv4 lie outside. */
const globalUnicast = ipaddr.parseCIDR("2000::/3");
const privateSuffixes = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];

/**
 * Why a URL must not be called as a cluster's webhook, or null where it may be. Addresses are judged as the
 * WHATWG URL parser writes them, so that `0x7f.1` and `[::ffff:127.0.0.1]` are recognised. A public name that resolves
 * to a private address is not recognised here: the platform refuses to connect to those. It also refuses to call any
 * address that is not a name.
 * @param allowPrivate takes http and all addresses too: for deployments on a developer's machine
 * @example webhookUrlProblem("https://10.0.0.1/", false)
 * // "`10.0.0.1` is a private, loopback, link-local or metadata address"
 */
export function webhookUrlProblem(text: string, allowPrivate: boolean): string | null {
  const url = URL.parse(text);
  if (!url) return `\`${text.slice(0, 200)}\` is not a URL`;
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) {
    return "a webhook URL must begin with https://";
  }
  if (url.username !== "" || url.password !== "") return "a webhook URL must not carry credentials";
  if (text.includes("#")) return "a webhook URL must not have a fragment";
  if (!allowPrivate && isPrivateHost(url.hostname)) {
    return `\`${url.hostname}\` is a private, loopback, link-local or metadata address`;
  }
  if (!allowPrivate && ipaddr.isValid(bareHost(url.hostname))) {
    return `\`${url.hostname}\` is an address without a name, which Workers cannot call (Cloudflare's error 1003): give it a name in the DNS`;
  }
  if (/\s|\p{Cc}/u.test(text)) return "a webhook URL must not hold blanks or control characters";
  if (url.href.length > baseUrlMaxBytes) {
    return `a webhook URL has at most ${baseUrlMaxBytes} bytes; encoded, this one has ${url.href.length}`;
  }
  return fitsDns(url) ? null : dnsRule;
}

/** RFC 3986 2: what a URL is written with. */
const urlCharacters = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/;

/**
 * Why a URL cannot be that of a backend, or null where it can: a connection token follows it as a segment of the path, and it
 * becomes a header.
 * @example backendUrlProblem("https://eu.example.com/?a=b") // "it has a query or a fragment: …"
 */
export function backendUrlProblem(text: string): string | null {
  const url = URL.parse(text);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return "it is not an http or https URL";
  if (!urlCharacters.test(text))
    return "it has characters that a URL must have encoded, in the path by percent";
  if (url.username !== "" || url.password !== "") return "it carries credentials";
  if (/[?#]/.test(text)) return "it has a query or a fragment: a connection token is added to its path";
  if (text.length > baseUrlMaxBytes) return `it has more than ${baseUrlMaxBytes} bytes`;
  return fitsDns(url) ? null : dnsRule;
}

const dnsRule = `a host has at most ${hostMaxBytes} bytes, and between two dots at most ${dnsLabelMaxBytes}`;

function fitsDns({ hostname }: URL): boolean {
  return (
    hostname.length <= hostMaxBytes && hostname.split(".").every(({ length }) => length <= dnsLabelMaxBytes)
  );
}

/**
 * The address of something below a webhook's URL, whose query it keeps.
 * @param path begins with a slash
 * @example belowWebhookUrl("https://eu.example.com/hook?k=1", "/backends/x/logs")
 * // "https://eu.example.com/hook/backends/x/logs?k=1"
 */
export function belowWebhookUrl(webhookUrl: string, path: string): string {
  const url = new URL(webhookUrl);
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  return url.href;
}

/** A host as the URL parser writes it, without the brackets of IPv6 and the dots of the DNS's root. */
function bareHost(hostname: string): string {
  return hostname.replace(/[[\]]/g, "").replace(/\.+$/, "");
}

function isPrivateHost(hostname: string): boolean {
  const host = bareHost(hostname);
  if (ipaddr.isValid(host)) {
    const address = ipaddr.process(host);
    if (address.range() !== "unicast" || metadataAddresses.includes(address.toString())) return true;
    return address.kind() === "ipv6" && !address.match(globalUnicast);
  }
  return !host.includes(".") || privateSuffixes.some((suffix) => host.endsWith(suffix));
}
