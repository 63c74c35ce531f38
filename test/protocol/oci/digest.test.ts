import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { algorithmOf, digestOf, formatDigest, webCryptoName } from "../../../src/protocol/oci/digest.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("the digest of bytes", () => {
  /** NIST's examples for FIPS 180-4. */
  test.each([
    ["sha256", "abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["sha256", "", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    [
      "sha512",
      "abc",
      "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ],
  ] as const)("by %s of `%s`", async (algorithm, text, digest) => {
    expect(await digestOf(algorithm, bytes(text))).toBe(digest);
  });

  test("is written in lower case, with two digits a byte", () => {
    expect(formatDigest("sha256", new Uint8Array([0, 1, 0xab, 0xff]).buffer)).toBe("sha256:0001abff");
    expect(formatDigest("sha512", new ArrayBuffer(0))).toBe("sha512:");
  });

  test("says by which algorithm it was made", async () => {
    const anyAlgorithm = fc.constantFrom("sha256" as const, "sha512" as const);
    await fc.assert(
      fc.asyncProperty(anyAlgorithm, fc.uint8Array(), async (algorithm, content) => {
        expect(algorithmOf(await digestOf(algorithm, new Uint8Array(content)))).toBe(algorithm);
      }),
    );
  });
});

describe("the algorithm of a digest", () => {
  test("is in Web Crypto's words another name", () => {
    expect([webCryptoName("sha256"), webCryptoName("sha512")]).toEqual(["SHA-256", "SHA-512"]);
  });

  /** OCI Image 1.1, "Digests": both registered algorithms, in lower-case hexadecimal of their whole length. */
  test.each([
    ["another algorithm", `sha384:${"a".repeat(96)}`],
    ["none", "a".repeat(64)],
    ["too few digits", `sha256:${"a".repeat(63)}`],
    ["too many", `sha256:${"a".repeat(65)}`],
    ["as many as the other has", `sha512:${"a".repeat(64)}`],
    ["upper case", `sha256:${"A".repeat(64)}`],
    ["something before it", `x sha256:${"a".repeat(64)}`],
    ["something after it", `sha256:${"a".repeat(64)}\n`],
    ["nothing", ""],
  ])("is none where the text has %s", (_, text) => {
    expect(algorithmOf(text)).toBeNull();
  });
});
