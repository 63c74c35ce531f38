import { describe, expect, test } from "vitest";
import { clientAddress } from "../../src/edge/client-address.ts";

const colo = { colo: "FRA" };

function addressOf(headers: Record<string, string>, named: string, cf?: unknown) {
  const request = Object.assign(new Request("https://api.test/", { headers }), {});
  return clientAddress({ headers: request.headers, cf: cf as never }, { CLIENT_ADDRESS_HEADER: named });
}

describe("a client's address", () => {
  test.for<
    [sentence: string, headers: Record<string, string>, named: string, cf: unknown, expected: string | null]
  >([
    ["is what Cloudflare says", { "cf-connecting-ip": "192.0.2.1" }, "", colo, "192.0.2.1"],
    [
      "is not what a client says of itself where Cloudflare is in front",
      { "cf-connecting-ip": "192.0.2.1", "x-forwarded-for": "192.0.2.9" },
      "x-forwarded-for",
      colo,
      "192.0.2.1",
    ],
    ["is not known elsewhere, whatever is claimed", { "cf-connecting-ip": "192.0.2.1" }, "", undefined, null],
    [
      "is what the front says that is named",
      { "x-real-ip": "192.0.2.1" },
      "X-Real-IP",
      undefined,
      "192.0.2.1",
    ],
    ["is not what another header says", { "x-forwarded-for": "192.0.2.1" }, "X-Real-IP", undefined, null],
    [
      "is the last of a list: clients may send the others",
      { "x-forwarded-for": "198.51.100.7, 192.0.2.1" },
      "X-Forwarded-For",
      undefined,
      "192.0.2.1",
    ],
    ["is not known where the header holds none", { "x-real-ip": "unknown" }, "X-Real-IP", undefined, null],
    [
      "is the network of an IPv6 one",
      { "x-real-ip": "2001:db8:1:2:3:4:5:6" },
      "X-Real-IP",
      undefined,
      "32.1.13.184.0.1.0.2",
    ],
    [
      "is IPv4 also in the spelling of IPv6",
      { "x-real-ip": "::ffff:192.0.2.1" },
      "X-Real-IP",
      undefined,
      "192.0.2.1",
    ],
  ])("%s", ([, headers, named, cf, expected]) => {
    expect(addressOf(headers, named, cf)).toBe(expected);
  });

  test("is the same for all addresses of one IPv6 network", () => {
    const of = (address: string) => addressOf({ "x-real-ip": address }, "x-real-ip");
    expect(of("2001:db8:0:1::1")).toBe(of("2001:db8:0:1:ffff::"));
    expect(of("2001:db8:0:1::1")).not.toBe(of("2001:db8:0:2::1"));
  });
});
