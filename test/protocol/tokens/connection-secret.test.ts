import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { connectionSecret } from "../../../src/protocol/tokens/connection-secret.ts";

test("a connection's secret is what RFC 4231 says of HMAC-SHA-256 (4.3), in hexadecimal", async () => {
  expect(connectionSecret("Jefe", "what do ya want for nothing?")).toBe(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

test("a proxy that is not ours derives the same, of any secret and any id", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, unit: "grapheme" }), fc.string(), async (secret, id) => {
      const theirs = createHmac("sha256", secret).update(id).digest("hex");
      expect(connectionSecret(secret, id)).toBe(theirs);
    }),
  );
});
