import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { signForCluster } from "../../src/objects/webhooks/cluster-signature.ts";
import { formatSigningSecret } from "../../src/protocol/webhooks/signature.ts";

const [older, newer, withdrawn] = [1, 2, 3].map((n) => formatSigningSecret(new Uint8Array(32).fill(n)));

test("while a secret is rotated, what goes to a cluster carries a signature by each secret that is good", async () => {
  const now = Date.now();
  const secrets = [
    { secret: newer ?? "", validUntil: null },
    { secret: older ?? "", validUntil: now + 1 },
    { secret: withdrawn ?? "", validUntil: now },
  ];
  for (const body of ["", "a body"]) {
    const headers = { ...(await signForCluster({ secrets }, "msg_1", now, body)) };
    expect(headers["webhook-signature"].split(" ")).toHaveLength(2);
    const verify = (secret = "") => new Webhook(secret).verify(body, headers, { jsonParse: false });
    expect(() => verify(newer)).not.toThrow();
    expect(() => verify(older)).not.toThrow();
    expect(() => verify(withdrawn)).toThrow();
  }
});
