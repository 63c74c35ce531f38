import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect } from "vitest";
import { registryStub, serviceStub } from "../../../src/objects/stubs.ts";
import { createAccount, createService, freshName, send, type TestAccount } from "../../support/worker/api.ts";
import { passTimeAndSettle } from "../../support/worker/clock.ts";
import { type RegistryClient, registryClient, sha, someBytes, types } from "../../support/worker/registry.ts";
import { clockTest as test } from "../../support/worker/worker-test.ts";

const runs = 25;
const hour = 3_600_000;
const day = 24 * hour;
const tags = ["latest", "v1"] as const;

const imageNumber = fc.nat({ max: 3 });
const tag = fc.constantFrom(...tags);
const step = fc.oneof(
  fc.record({ do: fc.constant("push" as const), image: imageNumber, tag: fc.option(tag) }),
  fc.record({ do: fc.constant("pin to digest" as const), image: imageNumber }),
  fc.record({ do: fc.constant("pin to tag" as const), tag }),
  fc.record({ do: fc.constant("delete manifest" as const), image: imageNumber }),
  fc.record({ do: fc.constant("delete tag" as const), tag }),
  fc.record({ do: fc.constant("collect" as const), ms: fc.constantFrom(0, 13 * hour, 8 * day) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Image {
  blob: Uint8Array<ArrayBuffer>;
  manifest: string;
  digest: string;
  blobDigest: string;
}

async function newImage(): Promise<Image> {
  const blob = someBytes(16);
  const blobDigest = await sha(blob);
  const config = { mediaType: "application/octet-stream", digest: blobDigest, size: 16 };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: types.image, config, layers: [] });
  return { blob, manifest, blobDigest, digest: await sha(new TextEncoder().encode(manifest)) };
}

/** A service, its repository, and four images that may be pushed to it. */
class World {
  readonly account: TestAccount;
  readonly service: string;
  readonly client: RegistryClient;
  readonly images: readonly Image[];

  constructor(account: TestAccount, service: string, images: readonly Image[]) {
    this.account = account;
    this.service = service;
    this.client = registryClient(account, account.admin, service);
    this.images = images;
  }

  async run(wanted: Step): Promise<void> {
    switch (wanted.do) {
      case "push":
        return this.push(this.image(wanted.image), wanted.tag);
      case "pin to digest":
        return this.pin(this.image(wanted.image).digest);
      case "pin to tag":
        return this.pin(wanted.tag);
      case "delete manifest":
        return this.remove(this.image(wanted.image).digest);
      case "delete tag":
        return this.remove(wanted.tag);
      case "collect":
        return this.collect(wanted.ms);
    }
  }

  image(i: number): Image {
    const image = this.images[i];
    if (!image) throw new Error(`there is no image ${i}`);
    return image;
  }

  async push(image: Image, tag: string | null): Promise<void> {
    await this.client.pushBlob(image.blob);
    const { answer } = await this.client.putManifest(tag ?? image.digest, image.manifest);
    // The blob may be collected in between, when a collection beside this lets days pass.
    expect([201, 400]).toContain(answer.status);
    if (answer.status === 400) expect(await answer.text()).toContain("MANIFEST_BLOB_UNKNOWN");
  }

  async pin(reference: string): Promise<void> {
    const path = `/v3/accounts/${this.account.name}/services/${this.service}/environments/default/pin`;
    const answer = await send(path, { method: "PUT", token: this.account.admin, json: { image: reference } });
    expect([200, 404]).toContain(answer.status);
  }

  async remove(reference: string): Promise<void> {
    const answer = await this.client.request(`manifests/${reference}`, { method: "DELETE" });
    expect([202, 403, 404]).toContain(answer.status);
  }

  async collect(ms: number): Promise<void> {
    await passTimeAndSettle(registryStub(env, this.account.name), ms);
  }

  /** The digests that invariant 7 protects. */
  async protectedDigests(): Promise<Set<string>> {
    const service = serviceStub(env, this.account.name, this.service);
    const now = await service.getEnvironment("default");
    const past = await service.history("default", { limit: 20 });
    if (!now.ok || !past.ok) throw new Error("the service is not there");
    const digests = [now.value.digest, ...past.value.items.map(({ digest }) => digest)];
    return new Set(digests.filter((digest) => digest !== null));
  }

  async serves({ digest, blobDigest }: Image): Promise<{ manifest: boolean; blob: boolean }> {
    const [manifest, blob] = await Promise.all([
      this.client.request(`manifests/${digest}`, { method: "HEAD" }),
      this.client.request(`blobs/${blobDigest}`),
    ]);
    await blob.arrayBuffer();
    return { manifest: manifest.status === 200, blob: blob.status === 200 };
  }

  async checkProtected(): Promise<void> {
    const needed = await this.protectedDigests();
    for (const image of this.images) {
      if (!needed.has(image.digest)) continue;
      expect(await this.serves(image)).toEqual({ manifest: true, blob: true });
    }
  }

  /** After all graces, exactly what something keeps is left. */
  async checkRest(): Promise<void> {
    for (const ms of [8 * day, 8 * day, 2 * day]) await this.collect(ms);
    const kept = await this.protectedDigests();
    for (const tag of tags) {
      const answer = await this.client.request(`manifests/${tag}`, { method: "HEAD" });
      if (answer.status === 200) kept.add(answer.headers.get("docker-content-digest") ?? "");
    }
    const recent = await serviceStub(env, this.account.name, this.service).recentImages({ registryHost: "" });
    if (recent.ok) for (const { digest } of recent.value) kept.add(digest);
    for (const image of this.images) {
      const isKept = kept.has(image.digest);
      expect(await this.serves(image)).toEqual({ manifest: isKept, blob: isKept });
    }
  }
}

test("collection beside pushes, pins and deletions removes nothing that invariant 7 protects, and all that nothing keeps", async () => {
  const account = await createAccount();
  const batches = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(batches, async (planned) => {
      const service = freshName("svc");
      await createService(account, service);
      const images = await Promise.all(Array.from({ length: 4 }, newImage));
      const world = new World(account, service, images);
      for (const batch of planned) {
        await Promise.all(batch.map((wanted) => world.run(wanted)));
        await world.checkProtected();
      }
      await world.checkRest();
    }),
    { numRuns: runs },
  );
}, 60_000);
