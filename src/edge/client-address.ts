import ipaddr from "ipaddr.js";
import type { Env } from "../objects/env.ts";

/** What a network gives its subscriber of IPv6, who may use any address in it. */
const subscriberPrefixBits = 64;

/**
 * Whose request it is, as far as one address stands for one client: an IPv4 address, or the network of an IPv6 one.
 * Cloudflare says so itself. Elsewhere only a header that the deployment names is believed, since clients may send any;
 * of a list, as in `X-Forwarded-For`, what the nearest front has added: the last.
 * @returns null where it is not known
 */
export function clientAddress(
  request: Pick<Request, "headers" | "cf">,
  env: Pick<Env, "CLIENT_ADDRESS_HEADER">,
): string | null {
  const named = env.CLIENT_ADDRESS_HEADER ?? "";
  const name = isFromCloudflare(request) ? "cf-connecting-ip" : named;
  const address = name === "" ? undefined : request.headers.get(name)?.split(",").at(-1)?.trim();
  return address === undefined || !ipaddr.isValid(address) ? null : networkOf(address);
}

/** Only Cloudflare says in which of its places a request came in; a client cannot. */
function isFromCloudflare({ cf }: Pick<Request, "cf">): boolean {
  return typeof cf?.colo === "string";
}

function networkOf(text: string): string {
  const address = ipaddr.process(text);
  if (address.kind() === "ipv4") return address.toString();
  return address
    .toByteArray()
    .slice(0, subscriberPrefixBits / 8)
    .join(".");
}
