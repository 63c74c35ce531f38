import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { createRegistryApp } from "../../../src/edge/registry/registry-app.ts";
import type { Env } from "../../../src/objects/env.ts";
import type { S3Place } from "../../support/registry/s3-place.ts";
import { createAccount, createService, type TestAccount } from "../../support/worker/api.ts";
import { basic, refusalOf, sha, someBytes } from "../../support/worker/registry.ts";

const s3: S3Place = inject("s3");
const now = () => Date.now();
let account: TestAccount;

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
});

async function sendWith(bindings: Env, path: string, init: RequestInit = {}): Promise<Response> {
  const request = new Request(`http://api.test${path}`, {
    ...init,
    headers: { authorization: basic(account.name, account.admin) },
  });
  return createRegistryApp(new TokenCache(now), now).fetch(request, bindings);
}

describe("a deployment with an S3 server", () => {
  const { BLOBS: _, ...others } = env;
  const bindings: Env = {
    ...others,
    S3_ENDPOINT: s3.endpoint,
    S3_BUCKET: s3.bucket,
    S3_ACCESS_KEY_ID: s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
  };

  test.each([0, 10, 6_000_000, 12_000_000])(
    "keeps blobs there, of known and of unknown length: %i bytes",
    async (length) => {
      for (const isKnown of [true, false]) {
        const bytes = someBytes(length);
        const digest = await sha(bytes);
        const begun = await sendWith(bindings, `/v2/${account.name}/hello/blobs/uploads/`, {
          method: "POST",
        });
        const location = begun.headers.get("location") ?? "";
        const body = isKnown ? bytes : new Blob([bytes]).stream();
        expect((await sendWith(bindings, location, { method: "PATCH", body })).status).toBe(202);
        expect((await sendWith(bindings, `${location}?digest=${digest}`, { method: "PUT" })).status).toBe(
          201,
        );
        const pulled = await sendWith(bindings, `/v2/${account.name}/hello/blobs/${digest}`);
        expect(await sha(await pulled.arrayBuffer())).toBe(digest);
      }
    },
  );

  test("has nothing of them in R2", async () => {
    expect((await env.BLOBS?.list({ prefix: `${account.name}/` }))?.objects).toEqual([]);
  });

  test("without either place for images says so", async () => {
    const answer = await sendWith({ ...others }, `/v2/${account.name}/hello/tags/list`);
    expect(await refusalOf(answer)).toEqual([501, "UNSUPPORTED"]);
  });
});
