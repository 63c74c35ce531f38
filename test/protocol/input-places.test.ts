import { describe, expect, test } from "vitest";
import type { z } from "zod";
import * as limits from "../../src/domain/limits.ts";
import { spawnBody } from "../../src/protocol/jamsocket/v1.ts";
import { connectBody, updateBody } from "../../src/protocol/jamsocket/v2.ts";
import { importSigningKey, signConnectionToken } from "../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../src/protocol/tokens/signing-keys.ts";
import { createTokenBody, patchAccountBody } from "../../src/protocol/v3/accounts.ts";
import { heartbeatBody, statusReportBody } from "../../src/protocol/v3/agent.ts";
import { createClusterBody } from "../../src/protocol/v3/clusters.ts";
import { recordImageBody } from "../../src/protocol/v3/images.ts";
import { registryEventsBody } from "../../src/protocol/v3/registry-events.ts";
import { createEnvironmentBody, pinBody } from "../../src/protocol/v3/services.ts";
import { userHeaders } from "../../src/protocol/verified-headers.ts";
import { webhookUrlProblem } from "../../src/protocol/webhooks/url.ts";
import { spawnWebhookAnswer, webhookMessage } from "../../src/protocol/webhooks/webhook.ts";

/*
 * Each field against where it goes. A value is written with what is made of it: null, it is taken; else a part of the
 * message of its refusal, with the limit.
 */
type Values = readonly [value: unknown, refusal: string | null][];

interface Field {
  schema: z.ZodType;
  /** A good body with the value in it. */
  bodyOf(value: unknown): unknown;
  goesTo: string;
  values: Values;
}

const lamp = "\u{1f4a1}";
const digest = `sha256:${"a".repeat(64)}`;
const executable = (fields: object) => ({ spawn: { executable: fields } });
const env = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`A${i}`, ""]));
const cluster = { name: "eu", webhook_url: "https://eu.example.com" };
const spawnMessage = (changes: object) => ({
  type: "backend.spawn",
  timestamp: "2026-11-23T09:00:00.000Z",
  data: {
    backend_id: "k3f9q7h3kq2m9",
    account: "acme",
    service: "hello",
    environment: "prod",
    cluster: "eu-prod",
    image: {
      reference: `r.example.com/acme/hello@${digest}`,
      repository: "r.example.com/acme/hello",
      digest,
      tag: "v12",
    },
    pin: { image: "v12", revision: 7 },
    key: null,
    fencing_token: 4711,
    env: {},
    limits: { startup_timeout_seconds: 300, max_idle_seconds: 300 },
    secret_token: "secret",
    ...changes,
  },
});

const keys: Values = [
  ["k", null],
  ["a/b c ü", null],
  [lamp.repeat(128), null],
  [lamp.repeat(129), "at most 128 characters"],
  ["x".repeat(60_000), "at most 128 characters"],
  ["a\0", "no control characters"],
  ["a\nb", "no control characters"],
  ["\u007f", "no control characters"],
  ["\u009b2J", "no control characters"],
  ["\ud83d", "well-formed"],
];
const variables: Values = [
  [{ A: "x".repeat(32 * 1024 - 1) }, null],
  [{ A: "two\nlines" }, null],
  [{ "with space": "ä" }, null],
  [{ A: "x".repeat(32 * 1024) }, "32768"],
  [{ A: "é".repeat(16 * 1024) }, "at most 32768"],
  [{ A: "\n".repeat(28_000) }, null],
  [{ A: "\n".repeat(29_000) }, "at most 57344"],
  [{ A: "\u0001".repeat(10_000) }, "at most 57344"],
  [env, "at most 64"],
  [{ A: "a\0b" }, "NUL"],
  [{ "A\0": "" }, "control characters"],
  [{ "A\nB": "" }, "control characters"],
  [{ "A=B": "" }, "has no ="],
  [{ "": "" }, "not empty"],
  [{ A: "\ud83d" }, "well-formed"],
];
const backendUrls: Values = [
  ["https://{id}.eu.example.com", null],
  ["http://127.0.0.1:9000/base/{id}/", null],
  ["http://[::1]:9000/{id}", null],
  ["https://{id}.example.com/?a=b", "query or a fragment"],
  ["https://{id}.example.com/#a", "query or a fragment"],
  ["https://{id}.example.com/?", "query or a fragment"],
  ["https://user:password@example.com/{id}", "credentials"],
  ["https://{id}.exämple.com", "encoded"],
  ["https://example.com/ä/{id}", "encoded"],
  ["https://example.com/a b/{id}", "encoded"],
  ["https://example.com/\n{id}", "encoded"],
  ["https:\\\\example.com\\{id}", "encoded"],
  [`https://${"a".repeat(60)}-{id}.example.com`, "at most 63"],
  [`https://{id}.${"a.".repeat(130)}example.com`, "at most 253"],
  ["ftp://example.com/{id}", "http or https"],
  ["javascript:alert('{id}')", "http or https"],
  ["{id}", "http or https"],
];
const backendUrlsOf = (id: string): Values =>
  backendUrls.map(([value, refusal]) => [String(value).replace("{id}", id), refusal]);

const fields: Record<string, Field> = {
  "key of a connect": {
    schema: connectBody,
    bodyOf: (key) => ({ key }),
    goesTo: "an environment variable, a label, a URL's query, terminals",
    values: keys,
  },
  "lock of a spawn": { schema: spawnBody, bodyOf: (lock) => ({ lock }), goesTo: "the same", values: keys },
  "key in a webhook": {
    schema: webhookMessage,
    bodyOf: (key) => spawnMessage({ key }),
    goesTo: "an environment variable and a label",
    values: keys,
  },
  "env of a connect": {
    schema: connectBody,
    bodyOf: (given) => executable({ env: given }),
    goesTo: "the environment of a process",
    values: [...variables, [{ PORT: "1" }, "reserved"]],
  },
  "env of a spawn": {
    schema: spawnBody,
    bodyOf: (given) => ({ env: given }),
    goesTo: "the environment of a process",
    values: [...variables, [{ SLIPWAY_X: "1" }, "reserved"]],
  },
  "env in a webhook": {
    schema: webhookMessage,
    bodyOf: (given) => spawnMessage({ env: given }),
    goesTo: "the environment of a process",
    values: variables,
  },
  user: {
    schema: connectBody,
    bodyOf: (user) => ({ user }),
    goesTo: "a URL, within a token; a header",
    values: [
      ["x".repeat(1000), null],
      ["ü \n\0", null],
      [lamp.repeat(500), null],
      ["x".repeat(1001), "1000"],
      // As JSON a NUL is six bytes.
      ["\0".repeat(1000), "at most 4000"],
    ],
  },
  auth: {
    schema: connectBody,
    bodyOf: (auth) => ({ auth }),
    goesTo: "a URL, within a token; a header",
    values: [
      [{ a: "x".repeat(3900) }, null],
      [{ a: "語".repeat(1200) }, null],
      [{ a: "x".repeat(4000) }, "at most 4000"],
      [{ a: "x".repeat(40_000) }, "at most 4000"],
      [{ ["x".repeat(4000)]: 1 }, "at most 4000"],
      [{ a: Array(2000).fill(0) }, "at most 4000"],
      [{ a: "é".repeat(1500) }, "at most 8000"],
      [{ a: lamp.repeat(900) }, "at most 8000"],
    ],
  },
  "user and auth together": {
    schema: connectBody,
    bodyOf: (length) => ({ user: "x".repeat(1000), auth: { a: "x".repeat(Number(length)) } }),
    goesTo: "a URL, within a token",
    values: [
      [2900, null],
      [3000, "at most 4000"],
    ],
  },
  mount: {
    schema: connectBody,
    bodyOf: (mount) => executable({ mount }),
    goesTo: "a path",
    values: [
      [true, null],
      [false, null],
      ["Data.1_2-3", null],
      ["x".repeat(128), null],
      ["x".repeat(129), "1 to 128 characters"],
      ["", "1 to 128 characters"],
      ["..", "beginning with a letter"],
      ["a/b", "1 to 128 characters of a-z"],
      ["a\0b", "1 to 128 characters of a-z"],
    ],
  },
  "an image": {
    schema: updateBody,
    bodyOf: (image_tag) => ({ image_tag }),
    goesTo: "an environment variable, a URL's path",
    values: [
      ["v1.2_3-4", null],
      ["x".repeat(128), null],
      [`sha512:${"a".repeat(128)}`, null],
      ["x".repeat(129), "at most 128"],
      ["x".repeat(60_000), "at most 135"],
      ["a/../b", "tag"],
      ["a\0", "tag"],
    ],
  },
  "a template": {
    schema: createClusterBody,
    bodyOf: (backend_url_template) => ({ ...cluster, backend_url_template }),
    goesTo: "the URLs of backends, a header",
    values: [
      ...backendUrlsOf("{backend_id}"),
      ["https://eu.example.com", "{backend_id}"],
      [`https://{backend_id}.example.com/${"x".repeat(1000)}`, "1000"],
    ],
  },
  "the URL in an answer to a spawn": {
    schema: spawnWebhookAnswer,
    bodyOf: (url) => ({ url }),
    goesTo: "a client, a header",
    values: [...backendUrlsOf("k3f9q7h3kq2m9"), [`https://example.com/${"x".repeat(2000)}`, "2000"]],
  },
  "the URL in a report": {
    schema: statusReportBody,
    bodyOf: (url) => ({ status: "ready", fencing_token: 1, url }),
    goesTo: "a client, a header",
    values: [...backendUrlsOf("k3f9q7h3kq2m9"), [`https://example.com/${"x".repeat(2000)}`, "2000"]],
  },
  "the name of a token": {
    schema: createTokenBody,
    bodyOf: (name) => ({ name, role: "read" }),
    goesTo: "pages, terminals, events",
    values: [
      [lamp.repeat(50), null],
      ["x".repeat(101), "100"],
      ["a\nb", "control characters"],
      ["\u001b[31m", "control characters"],
    ],
  },
  "a note": {
    schema: pinBody,
    bodyOf: (note) => ({ image: "v1", note }),
    goesTo: "pages, terminals",
    values: [
      ["two\r\nlines\t", null],
      ["x".repeat(501), "500"],
      ["\u001b[31m", "no control characters"],
      ["a\0", "no control characters"],
    ],
  },
  "a quota's limit": {
    schema: patchAccountBody,
    bodyOf: (tags) => ({ quotas: { tags } }),
    goesTo: "a number",
    values: [
      [0, null],
      [null, null],
      [limits.quotaLimitMax, null],
      [limits.quotaLimitMax + 1, "9007199254740991"],
      [-1, ">=0"],
      [0.5, "int"],
    ],
  },
  "an agent's id": {
    schema: heartbeatBody,
    bodyOf: (agent_id) => ({ cluster: "eu", agent_id, version: "1", backends: [] }),
    goesTo: "pages",
    values: [
      ["x".repeat(100), null],
      ["x".repeat(101), "100"],
    ],
  },
  "a repository": {
    schema: recordImageBody,
    bodyOf: (repository) => ({ digest, repository }),
    goesTo: "a URL, an engine's reference",
    values: [
      ["r.example.com:5000/a/b", null],
      [`r.example.com/${"a".repeat(241)}`, null],
      [`r.example.com/${"a".repeat(242)}`, "255"],
      ["r.example.com/a/../b", "host/path"],
      ["r.example.com/a?b", "host/path"],
      ["r.example.com/a\n", "host/path"],
    ],
  },
  "a media type": {
    schema: recordImageBody,
    bodyOf: (media_type) => ({ digest, media_type }),
    goesTo: "pages",
    values: [
      ["application/vnd.oci.image.manifest.v1+json", null],
      ["x".repeat(201), "200"],
      ["a\r\nb: c", "control characters"],
    ],
  },
  "a time": {
    schema: recordImageBody,
    bodyOf: (pushed_at) => ({ digest, pushed_at }),
    goesTo: "a number",
    values: [
      ["2026-11-23T09:00:00.123456789+01:00", null],
      [`2026-11-23T09:00:00.${"0".repeat(60_000)}Z`, "64"],
    ],
  },
  "the time of a notification": {
    schema: registryEventsBody,
    bodyOf: (occur_at) => ({ type: "PUSH_ARTIFACT", occur_at, event_data: { resources: [] } }),
    goesTo: "a date",
    values: [
      [1_700_000_000, null],
      [Number.MAX_SAFE_INTEGER, "253402214400"],
      [-1, ">=0"],
    ],
  },
  "the idle time of an environment": {
    schema: createEnvironmentBody,
    bodyOf: (max_idle_seconds) => ({ name: "e", settings: { max_idle_seconds } }),
    goesTo: "a timer",
    values: [
      [0, null],
      [315_360_000, null],
      [315_360_001, "315360000"],
      [Number.MAX_SAFE_INTEGER, "315360000"],
    ],
  },
};

describe.for(Object.entries(fields))("%s", ([, { schema, bodyOf, values }]) => {
  test.for(values.map(([value, refusal]) => ({ shown: JSON.stringify(value).slice(0, 60), value, refusal })))(
    "$shown is refused: $refusal",
    ({ value, refusal }) => {
      const parsed = schema.safeParse(bodyOf(value));
      if (refusal === null) expect(parsed.error?.message ?? null).toBeNull();
      else expect(parsed.error?.message ?? "it is taken").toContain(refusal);
    },
  );
});

describe("the URL of a cluster's webhook", () => {
  const values: Values = [
    ["https://eu.example.com/hook?k=1", null],
    [`https://eu.example.com/${"x".repeat(1970)}`, null],
    [`https://eu.example.com/${"ä".repeat(400)}`, "at most 2000 bytes; encoded, this one has 2423"],
    ["https://eu.example.com/#", "fragment"],
    ["https://eu.example.com/a b", "blanks"],
    ["https://eu.exam\nple.com/", "blanks"],
    [`https://${"a".repeat(64)}.example.com/`, "at most 63"],
    ["https://user@eu.example.com/", "credentials"],
  ];
  test.for(values)("%j is refused: %s", ([value, refusal]) => {
    const problem = webhookUrlProblem(String(value), false);
    if (refusal === null) expect(problem).toBeNull();
    else expect(problem).toContain(refusal);
  });
});

describe("what is allowed fits where it goes", () => {
  const longest = { user: "x".repeat(1000), auth: { a: "x".repeat(2970) } };

  test("the longest connection token is within its limit, and the URL with it", async () => {
    expect(connectBody.safeParse(longest).success).toBe(true);
    const longer = { ...longest, auth: { a: "x".repeat(2971 + 4) } };
    expect(connectBody.safeParse(longer).success).toBe(false);
    const token = await signConnectionToken(await importSigningKey(await makeSigningKeys()), {
      issuer: `https://${"a".repeat(limits.hostMaxBytes)}`,
      account: "a".repeat(40),
      cluster: "c".repeat(40),
      backendId: "k3f9q7h3kq2m9",
      grantedAt: Date.now(),
      tokenId: crypto.randomUUID(),
      ...longest,
    });
    expect(token.length).toBeLessThanOrEqual(limits.connectionTokenMaxBytes);
    expect(
      limits.baseUrlMaxBytes + "/".length + limits.connectionTokenMaxBytes + "/".length,
    ).toBeLessThanOrEqual(limits.urlMaxBytes);
  });

  test("the longest headers are within theirs", () => {
    const wide = { auth: { a: "語".repeat(1320) } };
    expect(connectBody.safeParse(wide).success).toBe(true);
    expect(userHeaders(wide).join(": ").length).toBeLessThanOrEqual(limits.verifiedHeadersMaxBytes);
  });
});
