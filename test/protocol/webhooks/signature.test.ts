import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import {
  formatSigningSecret,
  importSigningSecret,
  isSignedGetOf,
  signatureToleranceSeconds,
  signedGetId,
  signingSecret,
  signWebhook,
} from "../../../src/protocol/webhooks/signature.ts";

const secretOf = (first: number) => formatSigningSecret(new Uint8Array(32).fill(first));
const current = secretOf(1);
const previous = secretOf(2);

async function sign(secrets: readonly string[], body: string, atSeconds = Math.floor(Date.now() / 1000)) {
  const keys = await Promise.all(secrets.map(importSigningSecret));
  return { ...(await signWebhook(keys, "msg_1", atSeconds, body)) };
}

describe("a webhook's signature", () => {
  test("is the one of the Standard Webhooks specification's example", async () => {
    const key = await importSigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    expect(
      await signWebhook([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'),
    ).toEqual({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
  });

  test("is accepted by the standardwebhooks library, whatever the body", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), fc.uint8Array({ minLength: 32, maxLength: 32 }), async (body, random) => {
        const secret = formatSigningSecret(random);
        expect(new Webhook(secret).verify(body, await sign([secret], body))).toEqual(JSON.parse(body));
      }),
      { numRuns: 50 },
    );
  });

  test("is the same for the same message, so that a redelivery can be compared", async () => {
    expect(await sign([current], "{}", 5)).toEqual(await sign([current], "{}", 5));
  });

  test("while a secret is being rotated is accepted under either secret", async () => {
    const headers = await sign([current, previous], "{}");
    expect(headers["webhook-signature"].split(" ")).toHaveLength(2);
    for (const secret of [current, previous]) expect(new Webhook(secret).verify("{}", headers)).toEqual({});
  });

  test("is refused under another secret", async () => {
    const headers = await sign([current, previous], "{}");
    expect(() => new Webhook(secretOf(3)).verify("{}", headers)).toThrow();
  });

  const forged: [
    title: string,
    change: (headers: Record<string, string>) => Record<string, string>,
    body: string,
  ][] = [
    ["another body", (headers) => headers, '{"a":2}'],
    ["a body with white space added", (headers) => headers, '{"a":1} '],
    ["another id", (headers) => ({ ...headers, "webhook-id": "msg_2" }), '{"a":1}'],
    [
      "another time",
      (headers) => ({ ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) }),
      '{"a":1}',
    ],
  ];
  test.for(forged)("does not cover %s", async ([, change, body]) => {
    const headers = change(await sign([current], '{"a":1}'));
    expect(() => new Webhook(current).verify(body, headers)).toThrow();
  });

  test.for([-1, 1])("older or newer than the tolerance is refused by receivers (%i)", async (direction) => {
    const far = Math.floor(Date.now() / 1000) + direction * (signatureToleranceSeconds + 60);
    const headers = await sign([current], "{}", far);
    expect(() => new Webhook(current).verify("{}", headers)).toThrow(/timestamp/);
  });
});

describe("the id of a signed GET", () => {
  const path = "/backends/k3f9q7h3kq2m9/logs";
  const uuid = "7c0e2b1e-58a1-4c5e-9d0e-1a2b3c4d5e6f";

  test("says what is requested, and which request it is", () => {
    expect(signedGetId(path, "7c0e")).toBe("GET:/backends/k3f9q7h3kq2m9/logs:7c0e");
  });

  test("is one for the path that it was made for", () => {
    fc.assert(
      fc.property(fc.uuid(), (unique) => {
        expect(isSignedGetOf(path, signedGetId(path, unique))).toBe(true);
      }),
    );
  });

  test.for([
    ["another backend's", `GET:/backends/k3f9q7h3kq2m8/logs:${uuid}`],
    ["what is beside it", `GET:/backends/k3f9q7h3kq2m9/metrics:${uuid}`],
    ["what is below it", `GET:/backends/k3f9q7h3kq2m9/logs/x:${uuid}`],
    ["what it begins with", `GET:/backends/k3f9q7h3kq2m9:${uuid}`],
    ["what it ends with", `x GET:/backends/k3f9q7h3kq2m9/logs:`],
    ["a webhook", "msg_1"],
    ["a text that only contains it", `xGET:${path}:${uuid}`],
    ["nothing", ""],
  ] as const)("of %s opens nothing else", ([, id]) => {
    expect(isSignedGetOf(path, id)).toBe(false);
  });

  test.for([
    [`get_${uuid}`, true],
    [`get_${uuid}0`, false],
    [`xget_${uuid}`, false],
    [`get_${uuid.slice(1)}`, false],
    [`get_${uuid.toUpperCase()}`, false],
  ] as const)("by a control plane up to 0.1.0, which names no path, is %j: %s", ([id, good]) => {
    expect(isSignedGetOf(path, id)).toBe(good);
  });
});

describe("a signing secret", () => {
  test("cannot be read out of its key, which signs only", async () => {
    const key = await importSigningSecret(current);
    expect(key).toMatchObject({ type: "secret", extractable: false, usages: ["sign"] });
  });

  test("made of 32 random bytes is well-formed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (random) => {
        expect(signingSecret.safeParse(formatSigningSecret(random)).success).toBe(true);
      }),
    );
  });

  test.for([
    "",
    "whsec_",
    current.slice("whsec_".length),
    `WHSEC_${current.slice("whsec_".length)}`,
    "whsec_c2hvcnQ=",
    `${current}\n`,
    current.replace("A", "-"),
    `whsec_${"A".repeat(89)}`,
    `${current}==`,
  ])("%j is not one", (text) => {
    expect(signingSecret.safeParse(text).success).toBe(false);
  });
});
