import ipaddr from "ipaddr.js";

const privateSuffixes = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];

/**
 * Why a URL must not be called as a cluster's webhook, or null where it may be. Addresses are judged as the
 * WHATWG URL parser writes them, so that `0x7f.1` and `[::ffff:127.0.0.1]` are seen for what they are. A public
 * name that resolves to a private address is not seen here: the platform refuses to connect to those.
 */
export function webhookUrlProblem(text: string, allowPrivate: boolean): string | null {
  const url = URL.parse(text);
  if (!url) return `\`${text.slice(0, 200)}\` is not a URL`;
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) {
    return "a webhook URL must begin with https://";
  }
  if (url.username !== "" || url.password !== "") return "a webhook URL must not carry credentials";
  if (url.hash !== "") return "a webhook URL must not have a fragment";
  if (allowPrivate || !isPrivateHost(url.hostname)) return null;
  return `\`${url.hostname}\` is a private, loopback, link-local or metadata address`;
}

function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (ipaddr.isValid(host)) return ipaddr.process(host).range() !== "unicast";
  return !host.includes(".") || privateSuffixes.some((suffix) => host.endsWith(suffix));
}
