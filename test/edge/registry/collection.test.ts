import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, onTestFinished, vi } from "vitest";
import { Service } from "../../../src/objects/service/service.ts";
import { registryStub } from "../../../src/objects/stubs.ts";
import { createAccount, createService, send } from "../../support/worker/api.ts";
import { passTimeAndSettle } from "../../support/worker/clock.ts";
import { registryClient, sha, someBytes, types } from "../../support/worker/registry.ts";
import { clockTest } from "../../support/worker/worker-test.ts";

const hour = 3_600_000;
const day = 24 * hour;

const test = clockTest
  .extend("account", ({ clock: _ }) => createAccount())
  .extend("service", ({ account }) => createService(account))
  .extend("repository", ({ account, service: _ }) => registryClient(account, account.admin))
  /** Lets the clock run on and the registry do what is due then. */
  .extend(
    "pass",
    ({ account }) =>
      (ms: number) =>
        passTimeAndSettle(registryStub(env, account.name), ms),
  )
  .extend("storedKeys", ({ account }) => async (): Promise<number> => {
    return ((await env.BLOBS?.list({ prefix: `${account.name}/` }))?.objects ?? []).length;
  })
  .extend("statusOf", ({ repository }) => async (path: string) => {
    return (await repository.request(path, { method: "HEAD" })).status;
  });

/** Whether a repository has a blob, without a request for it, which would keep it. */
function linkOf(repository: string, digest: string): Promise<boolean> {
  const [account = "", service = ""] = repository.split("/");
  return runInDurableObject(registryStub(env, account), (_, { storage }) => {
    const found = storage.sql.exec(
      "SELECT 1 AS found FROM links WHERE repository = ? AND digest = ?",
      service,
      digest,
    );
    return found.toArray().length > 0;
  });
}

describe("a blob that no manifest refers to", () => {
  test("is kept for its grace, and then deleted with its bytes", async ({
    repository,
    pass,
    storedKeys,
    statusOf,
  }) => {
    const { digest } = await repository.pushBlob(someBytes(10));
    await pass(11 * hour);
    expect(await statusOf(`blobs/${digest}`)).toBe(200);
    await pass(14 * hour);
    expect(await statusOf(`blobs/${digest}`)).toBe(404);
    expect(await storedKeys()).toBe(1);
    await pass(3 * hour);
    expect(await storedKeys()).toBe(0);
  });

  test("whose existence was answered can be counted on for half of the grace at least", async ({
    repository,
    pass,
    statusOf,
  }) => {
    const { digest } = await repository.pushBlob(someBytes(10));
    await pass(23 * hour);
    expect(await statusOf(`blobs/${digest}`)).toBe(200);
    await pass(12 * hour);
    const config = { mediaType: types.image, digest, size: 10 };
    const { answer } = await repository.putManifest("late", { schemaVersion: 2, config, layers: [] });
    expect(answer.status).toBe(201);
  });

  /** Each layer of a push may take most of a day: what came before it waits for the manifest at the end. */
  test("is kept while a push of its repository goes on, however slowly", async ({
    repository,
    pass,
    storedKeys,
  }) => {
    const hours = fc.integer({ min: 1, max: 23 });
    const layer = fc.record({ before: hours, chunks: fc.array(hours, { maxLength: 2 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 3 }), hours, async (layers, atLast) => {
        const config = { mediaType: types.image, ...(await repository.pushBlob(someBytes(10))) };
        const pushed = [];
        for (const { before, chunks } of layers) {
          await pass(before * hour);
          const begun = await repository.request("blobs/uploads/", { method: "POST" });
          const id = begun.headers.get("location")?.split("/").pop() ?? "";
          const sent = [];
          for (const wait of [0, ...chunks]) {
            await pass(wait * hour);
            const body = someBytes(10);
            sent.push(body);
            const answer = await repository.request(`blobs/uploads/${id}`, { method: "PATCH", body });
            expect(answer.status).toBe(202);
          }
          const digest = await sha(await new Blob(sent).arrayBuffer());
          const put = await repository.request(`blobs/uploads/${id}?digest=${digest}`, { method: "PUT" });
          expect(put.status).toBe(201);
          pushed.push({ mediaType: types.image, digest, size: 10 * sent.length });
        }
        await pass(atLast * hour);
        const manifest = { schemaVersion: 2, config, layers: pushed };
        const { answer, digest } = await repository.putManifest("slow", manifest);
        expect(answer.status).toBe(201);
        expect((await repository.request(`manifests/${digest}`, { method: "DELETE" })).status).toBe(202);
      }),
      { numRuns: 15 },
    );
    await pass(2 * day);
    await pass(3 * hour);
    expect(await storedKeys()).toBe(0);
  }, 60_000);

  test("is kept for a week at most, where other pushes of its repository never cease", async ({
    repository,
    pass,
    statusOf,
  }) => {
    const { digest } = await repository.pushBlob(someBytes(10));
    const status = [];
    for (let days = 0; days < 9; days++) {
      await pass(23 * hour);
      await repository.pushImage("latest");
      const link = await linkOf(repository.name, digest);
      status.push(link);
    }
    expect([status[5], status[8]]).toEqual([true, false]);
    expect(await statusOf(`blobs/${digest}`)).toBe(404);
  });

  test("keeps its bytes while another repository has it", async ({ account, repository, pass }) => {
    await createService(account, "other");
    const other = registryClient(account, account.admin, "other");
    const { layer } = await repository.pushImage("latest");
    const mounted = await other.request(`blobs/uploads/?mount=${layer.digest}&from=${repository.name}`, {
      method: "POST",
    });
    expect(mounted.status).toBe(201);
    await pass(2 * day);
    await pass(3 * hour);
    expect((await other.request(`blobs/${layer.digest}`)).status).toBe(404);
    expect((await repository.request(`blobs/${layer.digest}`)).status).toBe(200);
  });
});

describe("an image", () => {
  test("with a tag stays for good", async ({ repository, pass, statusOf }) => {
    const { digest, layer } = await repository.pushImage("latest");
    for (let months = 0; months < 3; months++) await pass(30 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(200);
    expect((await repository.request(`blobs/${layer.digest}`)).status).toBe(200);
  });

  test("that was pushed by digest only goes after its grace, with its blobs", async ({
    repository,
    pass,
    storedKeys,
    statusOf,
  }) => {
    const { digest, layer, config } = await repository.pushImage(null);
    await pass(6 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(200);
    await pass(2 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(404);
    await pass(2 * day);
    for (const blob of [layer, config]) expect(await statusOf(`blobs/${blob.digest}`)).toBe(404);
    await pass(3 * hour);
    expect(await storedKeys()).toBe(0);
  });

  test("that is pushed by digest again begins its grace anew", async ({ repository, pass, statusOf }) => {
    const { digest, manifest } = await repository.pushImage(null);
    await pass(6 * day);
    expect((await repository.putManifest(null, manifest)).answer.status).toBe(201);
    await pass(6 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(200);
    await pass(2 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(404);
  });

  test("that is tagged while its collection waits for its turn stays", async ({
    repository,
    pass,
    statusOf,
  }) => {
    const { digest, manifest } = await repository.pushImage(null);
    const { recentImages } = Service.prototype;
    const look = vi.spyOn(Service.prototype, "recentImages");
    onTestFinished(() => look.mockRestore());
    look.mockImplementationOnce(async function (this: Service, ...params) {
      const shown = await recentImages.apply(this, params);
      expect((await repository.putManifest("late", manifest)).answer.status).toBe(201);
      return shown;
    });
    await pass(8 * day);
    expect(await statusOf(`manifests/${digest}`)).toBe(200);
    expect(await statusOf("manifests/late")).toBe(200);
  });

  test("that an index lists stays as long as the index, and what is about it as long as itself", async ({
    repository,
    pass,
    statusOf,
  }) => {
    const child = await repository.pushImage(null);
    const listed = { mediaType: types.image, digest: child.digest, size: child.size };
    const index = await repository.putManifest(
      "many",
      { schemaVersion: 2, manifests: [listed] },
      types.index,
    );
    const subject = { mediaType: types.index, digest: index.digest, size: index.size };
    const signature = await repository.pushImage(null, { subject });
    await pass(30 * day);
    const all = [index.digest, child.digest, signature.digest];
    for (const digest of all) expect(await statusOf(`manifests/${digest}`)).toBe(200);
    await repository.request(`manifests/${index.digest}`, { method: "DELETE" });
    await pass(8 * day);
    for (const digest of all) expect(await statusOf(`manifests/${digest}`)).toBe(404);
  });

  test("that lost its tag stays while the list of recent pushes shows it, and goes from the service with its bytes", async ({
    account,
    service,
    repository,
    pass,
    statusOf,
  }) => {
    const lost = await repository.pushImage("other");
    const { manifest } = await repository.pushImage("other");
    await pass(30 * day);
    expect(await statusOf(`manifests/${lost.digest}`)).toBe(200);
    for (let pushes = 0; pushes < 50; pushes++) await repository.putManifest("other", manifest);
    await pass(8 * day);
    expect(await statusOf(`manifests/${lost.digest}`)).toBe(404);
    const pinned = await send(`${service}/environments/default/pin`, {
      method: "PUT",
      token: account.admin,
      json: { image: lost.digest },
    });
    expect(pinned.status).toBe(404);
  });

  test("that an environment is pinned to stays, whatever else was pushed (invariant 7)", async ({
    account,
    service,
    repository,
    pass,
    statusOf,
  }) => {
    const pinned = await repository.pushImage("latest");
    const pin = await send(`${service}/environments/default/pin`, {
      method: "PUT",
      token: account.admin,
      json: { image: pinned.digest },
    });
    expect(pin.status).toBe(200);
    const { manifest } = await repository.pushImage("latest");
    for (let pushes = 0; pushes < 50; pushes++) await repository.putManifest("latest", manifest);
    for (let months = 0; months < 3; months++) await pass(30 * day);
    expect(await statusOf(`manifests/${pinned.digest}`)).toBe(200);
    expect((await repository.request(`blobs/${pinned.layer.digest}`)).status).toBe(200);
  });
});

describe("an upload", () => {
  test("that nothing is added to for a day is given up, with what it had stored", async ({
    repository,
    pass,
    storedKeys,
  }) => {
    const begin = async () =>
      (await repository.request("blobs/uploads/", { method: "POST" })).headers
        .get("location")
        ?.split("/")
        .pop() ?? "";
    const small = await begin();
    const large = await begin();
    await repository.request(`blobs/uploads/${small}`, { method: "PATCH", body: someBytes(10) });
    await pass(2 * hour);
    await repository.request(`blobs/uploads/${large}`, {
      method: "PATCH",
      body: new Blob([someBytes(6_000_000)]).stream(),
    });
    expect(await storedKeys()).toBe(2);
    await pass(23 * hour);
    expect((await repository.request(`blobs/uploads/${small}`)).status).toBe(404);
    expect((await repository.request(`blobs/uploads/${large}`)).status).toBe(204);
    await pass(2 * hour);
    expect((await repository.request(`blobs/uploads/${large}`)).status).toBe(404);
    await pass(3 * hour);
    expect(await storedKeys()).toBe(0);
  });

  test("keeps nothing for good of a chunk that was cut short after it had stored something", async ({
    account,
    service: _,
    pass,
    storedKeys,
  }) => {
    const registry = registryStub(env, account.name);
    const whole = { digest: `sha256:${"0".repeat(64)}`, bytes: 10 };
    const begun = await registry.beginUpload({ account: account.name, service: "hello" }, whole, "of-a-test");
    if (!begun.ok) throw new Error(begun.error.message);
    await env.BLOBS?.put(begun.value.chunkKey ?? "", someBytes(10));
    expect(await storedKeys()).toBe(1);
    await pass(27 * hour);
    expect(await storedKeys()).toBe(0);
  });

  test("that ended in a wrong digest leaves nothing behind", async ({ repository, pass, storedKeys }) => {
    await repository.request(`blobs/uploads/?digest=sha256:${"0".repeat(64)}`, {
      method: "POST",
      body: someBytes(10),
    });
    await pass(3 * hour);
    expect(await storedKeys()).toBe(0);
  });

  test("of bytes that are there already leaves them once", async ({ repository, pass, storedKeys }) => {
    const bytes = someBytes(10);
    await repository.pushBlob(bytes);
    await repository.pushBlob(bytes);
    await pass(3 * hour);
    expect(await storedKeys()).toBe(1);
  });
});

describe("a service that could not be notified of a tag", () => {
  test("is notified of it later", async ({ account, service, repository, pass }) => {
    const { digest } = await repository.pushImage("latest");
    const stub = registryStub(env, account.name);
    // What is left when the process ends between the registry's write and the service's.
    await runInDurableObject(stub, async (_, { storage }) => {
      storage.sql.exec("UPDATE tags SET announced = 0").toArray();
      await storage.setAlarm(Date.now());
    });
    await send(`${service}/images`, {
      token: account.admin,
      json: { digest: `sha256:${"5".repeat(64)}`, tag: "latest" },
    });
    await pass(1);
    const environment = await send(`${service}/environments/default`, { token: account.admin });
    expect(await environment.json()).toMatchObject({ digest });
  });
});
