import { env } from "cloudflare:workers";
import { eachQuota, type QuotaName } from "../../../src/domain/quotas.ts";
import { registryStub, serviceStub } from "../../../src/objects/stubs.ts";
import type { ManifestFacts } from "../../../src/protocol/oci/manifest.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { actor, caller, digestNumber, type Hello, value } from "./service.ts";

/** What an account uses of each quota. */
export async function usedBy(hello: Hello): Promise<Record<QuotaName, number>> {
  const { quotas } = value(await hello.accountObject.describe());
  return eachQuota((name) => quotas[name].used);
}

export async function limit(hello: Hello, name: QuotaName, to: number | null): Promise<void> {
  value(await hello.accountObject.setQuotas({ [name]: to }));
}

/** Allows as much of a quota as is used, and `more`. */
export async function leave(hello: Hello, name: QuotaName, more: number): Promise<void> {
  await limit(hello, name, (await usedBy(hello))[name] + more);
}

/** An image manifest that refers to nothing. */
export const noFacts: ManifestFacts = {
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  blobs: [],
  foreignBlobs: [],
  children: [],
  subject: null,
  artifactType: null,
  annotations: null,
  runs: { kind: "image", artifact: null },
};

/** Pushes through the registry. @returns its answer, as a code: `ok`, or that of the failure */
export async function pushOci(
  hello: Hello,
  n: number,
  tags: string[],
  { service = "hello", ...facts }: Partial<ManifestFacts> & { service?: string } = {},
): Promise<string> {
  const put = await registryStub(env, hello.account).putManifest(
    { account: hello.account, service },
    {
      digest: digestNumber(n),
      bytes: new Uint8Array(100),
      facts: { ...noFacts, ...facts },
      tags,
      registryHost: "registry.test",
      by: actor,
    },
  );
  return put.ok ? "ok" : put.error.code;
}

/** Adds one of what a quota limits, the nth of its test. Again with the same number, it is there already. */
export interface Adding {
  quota: Exclude<QuotaName, "untagged_bytes">;
  how: string;
  add(hello: Hello, n: number): Promise<string>;
  /** Adds nothing. */
  repeat(hello: Hello, n: number): Promise<string>;
  /** Takes one away, where that is possible. */
  remove?(hello: Hello, n: number): Promise<unknown>;
}

const idempotency = (name: string) => ({ principal: "p", key: name, requestHash: name });
const codeOf = (result: { ok: true } | { ok: false; error: { code: string } }) =>
  result.ok ? "ok" : result.error.code;
const hello = (h: Hello) => h.service();

async function addToken(h: Hello, n: number): Promise<string> {
  const secret = { id: `t${n}`.padEnd(12, "0"), secretHash: await hashSecret("secret") };
  const body = { name: `t${n}`, role: "read" } as const;
  return codeOf(
    await h.accountObject.createToken(body, secret, { ...caller, idempotency: idempotency(`t${n}`) }),
  );
}

async function addCluster(h: Hello, n: number): Promise<string> {
  const secret = { id: `c${n}`.padEnd(12, "0"), secretHash: await hashSecret("secret") };
  const body = { name: `c${n}`, webhook_url: "https://cluster.test/hook" };
  const by = { ...caller, idempotency: idempotency(`c${n}`) };
  return codeOf(await h.accountObject.createCluster(body, secret, `whsec_${n}`, by));
}

async function addService(h: Hello, n: number): Promise<string> {
  const by = { ...caller, idempotency: idempotency(`s${n}`) };
  return codeOf(await h.accountObject.createService({ name: `s${n}` }, by));
}

async function addEnvironment(h: Hello, n: number): Promise<string> {
  const by = { ...caller, idempotency: idempotency(`e${n}`) };
  return codeOf(await hello(h).createEnvironment({ name: `e${n}`, image: "latest" }, by));
}

async function record(h: Hello, n: number, tag?: string): Promise<string> {
  const body = { digest: digestNumber(n), ...(tag === undefined ? {} : { tag }) };
  return codeOf(await hello(h).recordImage(body, caller));
}

async function pin(h: Hello, note?: string): Promise<string> {
  const params = { image: "latest", ...(note === undefined ? {} : { note }) };
  return codeOf(await hello(h).pin("default", params, caller));
}

/** Every way in which something comes to an account that has a quota. */
export const addings: readonly Adding[] = [
  {
    quota: "tokens",
    how: "a token",
    add: addToken,
    repeat: addToken,
    remove: async (h, n) => value(await h.accountObject.deleteToken(`t${n}`.padEnd(12, "0"), caller)),
  },
  {
    quota: "clusters",
    how: "a cluster",
    add: addCluster,
    repeat: addCluster,
    remove: async (h, n) => value(await h.accountObject.deleteCluster(`c${n}`, caller)),
  },
  {
    quota: "services",
    how: "a service",
    add: addService,
    repeat: addService,
    remove: async (h, n) => value(await h.accountObject.deleteService(`s${n}`, caller)),
  },
  {
    quota: "environments",
    how: "a service, which has one",
    add: addService,
    repeat: addService,
    remove: async (h, n) => value(await h.accountObject.deleteService(`s${n}`, caller)),
  },
  {
    quota: "environments",
    how: "an environment",
    add: addEnvironment,
    repeat: addEnvironment,
    remove: async (h, n) => value(await hello(h).deleteEnvironment(`e${n}`, caller)),
  },
  {
    quota: "images",
    how: "an image that is recorded",
    add: (h, n) => record(h, n),
    repeat: (h, n) => record(h, n),
    remove: async (h, n) => value(await hello(h).deleteImage(digestNumber(n), caller)),
  },
  {
    quota: "images",
    how: "an image that is pushed",
    add: (h, n) => pushOci(h, n, ["latest"]),
    repeat: (h, n) => pushOci(h, n, ["latest"]),
  },
  {
    quota: "tags",
    how: "a tag that is recorded",
    add: (h, n) => record(h, 1, `v${n}`),
    repeat: (h) => record(h, 2, "latest"),
    remove: async (h, n) => value(await hello(h).forgetTag(`v${n}`, digestNumber(1))),
  },
  {
    quota: "tags",
    how: "a tag that is pushed",
    add: (h, n) => pushOci(h, n, [`v${n}`]),
    repeat: (h) => pushOci(h, 2, ["latest"]),
  },
  { quota: "pin_notes", how: "a pin with a note", add: (h, n) => pin(h, `note ${n}`), repeat: (h) => pin(h) },
];

export const secondService = (h: Hello) => serviceStub(env, h.account, "second");
