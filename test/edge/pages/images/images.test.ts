import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import { registryStub } from "../../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { imageList } from "../../../../src/protocol/v3/images.ts";
import { call, createAccount, createService, createToken, send } from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";
import { registryClient, sha, someBytes, types } from "../../../support/worker/registry.ts";

const elsewhere = `sha256:${"e".repeat(64)}`;

const test = pageTest
  /** Of the API. */
  .extend("service", { scope: "file", auto: true }, ({ account, agentToken: _ }) => createService(account))
  /** Of the page that lists images. */
  .extend("path", { scope: "file" }, ({ account }) => `/service/${account.name}/hello/images`)
  .extend("registry", { scope: "file" }, ({ account }) => registryClient(account, account.admin))
  /** Pushes an image whose configuration is this, with a layer of 50 bytes. */
  .extend(
    "push",
    { scope: "file" },
    ({ registry }) =>
      async (tag: string | null, config: object | string, size?: number) => {
        const text = typeof config === "string" ? config : JSON.stringify(config);
        const blob = await registry.pushBlob(new TextEncoder().encode(text.padEnd(size ?? text.length)));
        return registry.pushImage(tag, {
          config: { mediaType: "application/vnd.oci.image.config.v1+json", ...blob },
        });
      },
  )
  .extend("digests", { scope: "file" }, ({ account, service }) => async (): Promise<string[]> => {
    const listed = await call(imageList, `${service}/images?limit=200`, { token: account.admin });
    return listed.images.map(({ digest }) => digest);
  })
  .extend(
    "recordElsewhere",
    { scope: "file" },
    ({ account, service }) =>
      (digest = elsewhere) =>
        call(z.looseObject({}), `${service}/images`, {
          token: account.admin,
          json: { digest, repository: "registry.example.com/team/image" },
        }),
  );

describe("the page of a service's images", () => {
  test("says how to push the first one where there is none", async ({ account, admin }) => {
    await createService(account, "empty");
    const { status, html } = await admin.visit(`/service/${account.name}/empty/images`);
    expect(status).toBe(200);
    expect(html).toContain("jamsocket push empty my-image -t latest");
  });

  test("shows each with its tags, its size, and what runs it, newest push first", async ({
    account,
    admin,
    path,
    push,
  }) => {
    const old = await push("latest", {});
    const recent = await push("v1", {});
    const { html } = await admin.visit(path);
    expect(html.indexOf(recent.digest)).toBeLessThan(html.indexOf(old.digest));
    expect(html).toContain(`href="${path}/${old.digest}"`);
    expect(html).toContain("<code>latest</code>");
    expect(html).toContain("52 B");
    expect(html).toContain(`href="/service/${account.name}/hello/environment/default"`);
    expect(html).not.toContain("Kept in");
  });

  test("shows an index's size as that of its images that are here", async ({
    admin,
    path,
    registry,
    push,
  }) => {
    const [one, two] = [await push(null, {}), await push(null, "{ }")];
    const listed = [one, two].map(({ digest, size }) => ({ mediaType: types.image, digest, size }));
    const blob = await registry.pushBlob(someBytes(9));
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [...listed, blob] };
    const { digest } = await registry.putManifest("index", index, types.index);
    for (const { html } of [await admin.visit(path), await admin.visit(`${path}/${digest}`)]) {
      expect(html).toContain("105 B in 2 images of 3 listed");
    }
  });

  test("shows no more sizes than one call may read manifests for", async ({ account, registry }) => {
    const large = await registry.pushImage("large", { annotations: { a: "a".repeat(3 * 1024 * 1024) } });
    const sizes = await registryStub(env, account.name).imageSizes(
      { account: account.name, service: "hello" },
      [large.digest, elsewhere, large.digest, large.digest],
    );
    const size = { bytes: 70, index: null };
    expect(sizes).toEqual([size, null, size, null]);
  });

  test("says where an image is kept that is not here, and that its size is not known", async ({
    admin,
    path,
    recordElsewhere,
  }) => {
    await recordElsewhere();
    const { html } = await admin.visit(path);
    expect(html).toContain("registry.example.com/team/image");
    expect(html).toContain("not known");
  });

  test("shows 50, and the rest behind a link", async ({ account, admin }) => {
    await createService(account, "many");
    for (let n = 0; n < 51; n++) {
      const json = { digest: `sha256:${n.toString(16).padStart(64, "0")}` };
      await send(`/v3/accounts/${account.name}/services/many/images`, { token: account.admin, json });
    }
    const many = `/service/${account.name}/many/images`;
    const first = await admin.visit(many);
    const more = /href="([^"]*\?cursor=[^"]*)"/.exec(first.html)?.[1] ?? "";
    const second = await admin.visit(more.replaceAll("&amp;", "&"));
    const shown = (html: string) => [...html.matchAll(/images\/sha256:0+([0-9a-f]*)"/g)].length;
    expect([shown(first.html), shown(second.html)]).toEqual([50, 1]);
    expect(second.html).not.toContain("More images");
    expect((await admin.visit(`${many}?cursor=x`)).status).toBe(400);
  });

  test("is found for a service of the visitor's own account only", async ({ admin, path, push }) => {
    const stranger = loggedIn((await createAccount()).admin);
    const { digest } = await push("mine", {});
    for (const target of [path, `${path}/${digest}`]) {
      const { status, html } = await stranger.visit(target);
      expect(status).toBe(404);
      expect(html).not.toContain("sha256:");
    }
    expect((await admin.visit(path.replace("/hello/", "/nothing/"))).status).toBe(404);
  });
});

describe("the page of an image", () => {
  test("shows what the image is made of, and its labels as text", async ({ admin, path, push }) => {
    const long = `${"l".repeat(200)}<i>end</i>`;
    const Labels = { "<b>name</b>": "<script>alert(1)</script>", long };
    const image = await push("labelled", { os: "linux", architecture: "arm64", config: { Labels } });
    const { status, html } = await admin.visit(`${path}/${image.digest}`);
    expect(status).toBe(200);
    for (const text of [image.digest, image.layer.digest, image.mediaType, "linux/arm64"]) {
      expect(html).toContain(text);
    }
    expect(html).toContain("&lt;b&gt;name&lt;/b&gt;");
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(html).toContain(`${"l".repeat(120)}…</bdi></summary>`);
    expect(html).toContain("l&lt;i&gt;end&lt;/i&gt;");
    for (const markup of ["<b>name", "<script>alert", "<i>end"]) expect(html).not.toContain(markup);
  });

  test("shows the images of an index with their platforms", async ({ admin, path, registry, push }) => {
    const arm = await push(null, { config: { Labels: { arch: "of arm" } } });
    const listed = [
      { ...arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
      { ...(await push(null, "{}")), platform: { os: "<b>" } },
    ].map(({ digest, size, platform }) => ({ mediaType: types.image, digest, size, platform }));
    const index = { schemaVersion: 2, mediaType: types.index, manifests: listed };
    const { digest } = await registry.putManifest("platforms", index, types.index);
    const { html } = await admin.visit(`${path}/${digest}`);
    for (const text of ["linux/arm64/v8", arm.digest, arm.layer.digest, "of arm"])
      expect(html).toContain(text);
  });

  test("is shown without labels where the configuration is larger than 64 KiB, or is none", async ({
    admin,
    path,
    push,
  }) => {
    const config = { config: { Labels: { a: "seen" } } };
    const large = await push("large", config, 64 * 1024 + 1);
    const none = await push("none", "no json");
    for (const { digest } of [large, none]) {
      const { status, html } = await admin.visit(`${path}/${digest}`);
      expect(status).toBe(200);
      expect(html).toContain("Its labels cannot be read");
    }
    const fitting = await push("fits", config, 64 * 1024);
    expect((await admin.visit(`${path}/${fitting.digest}`)).html).toContain("seen");
  });

  test("says of an image of another registry where the rest is kept", async ({
    admin,
    path,
    recordElsewhere,
  }) => {
    await recordElsewhere();
    const { html } = await admin.visit(`${path}/${elsewhere}`);
    expect(html).toContain("that registry tells them");
  });

  test("is not found for a digest that was never pushed, and for what is none", async ({ admin, path }) => {
    for (const digest of [`sha256:${"0".repeat(63)}f`, "sha256:0", "latest"]) {
      expect((await admin.visit(`${path}/${digest}`)).status).toBe(404);
    }
  });

  test("links the live backends that run it, but for those that a token may not see", async ({
    account,
    admin,
    path,
    push,
  }) => {
    const { digest } = await push("latest", {});
    const { backend_id: id } = await call(connectAnswer, `/v2/service/${account.name}/hello/connect`, {
      token: account.admin,
      json: { key: "<u>key</u>" },
    });
    const { html } = await admin.visit(`${path}/${digest}`);
    expect(html).toContain(`href="/backend/${id}"`);
    expect(html).toContain("&lt;u&gt;key&lt;/u&gt;");
    const narrow = await createToken(account, { role: "read", service: "hello", environments: ["other"] });
    const seen = await loggedIn(narrow.secret_token).visit(`${path}/${digest}`);
    expect(seen.status).toBe(200);
    expect(seen.html).not.toContain(id);
  });
});

describe("deleting an image by its page", () => {
  test("forgets it", async ({ admin, path, push, digests }) => {
    const { digest } = await push("doomed", {});
    const deleted = await admin.submit(`${path}/${digest}`, "delete");
    expect([deleted.status, deleted.location]).toEqual([303, path]);
    expect(await digests()).not.toContain(digest);
  });

  test("is refused for one that an environment runs, with the reason", async ({
    admin,
    path,
    push,
    digests,
  }) => {
    const { digest } = await push("latest", {});
    const refused = await admin.submit(`${path}/${digest}`, "delete");
    expect(refused.status).toBe(409);
    expect(refused.html).toContain("environment `default` resolves to it");
    expect(await digests()).toContain(digest);
  });

  test("is refused to a token that may not, with the reason, and to a form without its CSRF token", async ({
    account,
    admin,
    path,
    digests,
    recordElsewhere,
  }) => {
    const digest = await sha(someBytes(8));
    await recordElsewhere(digest);
    const deployer = loggedIn((await createToken(account, { role: "deploy" })).secret_token);
    expect((await deployer.visit(`${path}/${digest}`)).html).toContain("You may not delete it");
    const refused = await deployer.submit(`${path}/${digest}`, "delete");
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("it needs `admin`");
    expect((await admin.post(`${path}/${digest}`, { do: "delete" })).status).toBe(403);
    expect(await digests()).toContain(digest);
  });
});
