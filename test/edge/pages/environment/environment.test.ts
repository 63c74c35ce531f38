import { describe, expect } from "vitest";
import { image } from "../../../../src/protocol/v3/images.ts";
import { call, createService, createToken } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";
import { digestOf } from "../../../support/worker/pinned-service.ts";

const test = pageTest
  /** Of the session of `admin`. */
  .extend("csrf", { scope: "file" }, async ({ admin }) => hiddenField((await admin.visit("/")).html, "csrf"));

function text(html: string): string {
  const main = html.slice(html.indexOf("<main"));
  return main.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}

const untouched = { image: "v1", revision: 1 };

describe("choosing an image for an environment", () => {
  test("shows what would change, and changes nothing", async ({ admin, newService }) => {
    const { prodPath, pinned, connect } = await newService("chosen");
    await connect();
    const { status, html } = await admin.visit(`${prodPath}?image=v2`);
    expect(status).toBe(200);
    expect(text(html)).toContain("Pinned to v1 v2 New sessions run sha256:111111111111 sha256:222222222222");
    expect(text(html)).toContain("1 live session goes on with what it runs until it ends.");
    expect(html).toContain('<option value="v2" selected');
    expect([hiddenField(html, "image"), hiddenField(html, "revision")]).toEqual(["v2", "1"]);
    expect(await pinned()).toEqual(untouched);
  });

  test("by its digest shows that digest, and says where nothing would change", async ({
    admin,
    newService,
  }) => {
    const { prodPath } = await newService("same");
    const { html } = await admin.visit(`${prodPath}?image=${encodeURIComponent(digestOf.v1)}`);
    expect(text(html)).toContain("sha256:111111111111 (the same)");
    expect(html).toContain("Pin prod to sha256:111111111111");
    expect(hiddenField(html, "image")).toBe(digestOf.v1);
  });

  test.for([
    "none",
    "V1",
    `sha256:${"9".repeat(64)}`,
    "sha256:1",
    "<script>alert(1)</script>",
    "x".repeat(2_000),
  ] as const)(
    "that was never pushed, %j, offers no button, and says why",
    async (image, { admin, newService }) => {
      const { prodPath, pinned } = await newService(`never-${image.length}`);
      const { status, html } = await admin.visit(`${prodPath}?${new URLSearchParams({ image })}`);
      expect(status).toBe(200);
      expect(html).toContain('<p class="notice refused" role="alert">');
      expect(html).not.toContain('value="pin"');
      expect(html).not.toContain("<script>");
      expect(await pinned()).toEqual(untouched);
    },
  );

  test("is offered over tags and digests; before the first push the page says how to push", async ({
    account,
    admin,
    newService,
  }) => {
    const { prodPath } = await newService("offered");
    const { html } = await admin.visit(prodPath);
    for (const value of ["v1", "v2", digestOf.v1, digestOf.v2]) {
      expect(html).toContain(`<option value="${value}"`);
    }
    expect(html).not.toContain('value="pin"');
    await createService(account, "bare");
    const bare = await admin.visit(`/service/${account.name}/bare/environment/default`);
    expect(bare.html).toContain("jamsocket push bare my-image:v1");
    expect(text(bare.html)).toContain("nothing yet");
  });
});

describe("an artifact that is pushed to a service", () => {
  const chart = "application/vnd.cncf.helm.config.v1+json";

  test("is not offered, offers no button where it is chosen, and is said where a tag stands on it", async ({
    account,
    admin,
    newService,
  }) => {
    const { api, prodPath, pinned } = await newService("charted");
    const digest = `sha256:${"c".repeat(64)}`;
    for (const tag of ["v1", "chart"]) {
      await call(image, `${api}/images`, {
        token: account.admin,
        json: { digest, tag, artifact_type: chart },
      });
    }
    const shown = await admin.visit(prodPath);
    expect(shown.html).not.toContain(`value="${digest}"`);
    expect(shown.html).not.toContain('value="chart"');
    expect(text(shown.html)).toContain(`The latest push of v1 is no image, but ${chart}`);
    for (const chosen of ["chart", digest]) {
      const { html } = await admin.visit(`${prodPath}?image=${encodeURIComponent(chosen)}`);
      expect(text(html)).toContain(`is no image that a backend can run: it is ${chart}`);
      expect(html).not.toContain('value="pin"');
    }
    const other = await admin.visit(`${prodPath}?image=v2`);
    expect(text(other.html)).not.toContain("The latest push of v2");
    expect(other.html).toContain('value="pin"');
    expect(await pinned()).toEqual(untouched);
    const page = await admin.visit(`/service/${account.name}/charted/images/${digest}`);
    expect(text(page.html)).toContain(`no image, but ${chart}`);
    await call(image, `${api}/images`, {
      token: account.admin,
      json: { digest, tag: "latest", artifact_type: chart },
    });
    const unborn = await admin.visit(`/service/${account.name}/charted/environment/default`);
    expect(text(unborn.html)).toContain("nothing runs until an image is pushed with it");
  });
});

describe("pinning an environment at its page", () => {
  test("pins, with the note, in the name of the visitor, and the history shows it", async ({
    account,
    newService,
  }) => {
    const { path, prodPath, pinned } = await newService("pinned");
    const deployer = loggedIn((await createToken(account, { role: "deploy" })).secret_token);
    const preview = (await deployer.visit(`${prodPath}?image=v2`)).html;
    const fields = { csrf: hiddenField(preview, "csrf"), revision: hiddenField(preview, "revision") };
    const done = await deployer.post(prodPath, { ...fields, do: "pin", image: "v2", note: "why & <how>" });
    expect([done.status, done.location]).toEqual([303, prodPath]);
    expect(await pinned()).toEqual({ image: "v2", revision: 2 });
    const { html } = await deployer.visit(prodPath);
    expect(html).toContain("why &amp; &lt;how&gt;");
    expect(text(html)).toMatch(/2 pin v2 sha256:222222222222 [\d-]+ [\d:]+ UTC of a test why/);
    expect(text(html)).toMatch(/1 create v1 sha256:111111111111 [\d-]+ [\d:]+ UTC first admin/);
    const again = `${prodPath}?image=${encodeURIComponent(digestOf.v1)}`;
    expect(html).toContain(`href="${again}"`);
    expect(html).toContain(`href="${path}/images/${digestOf.v1}"`);
  });

  test("without a note has none", async ({ admin, csrf, newService }) => {
    const { prodPath, pinned } = await newService("quiet");
    const fields = { csrf, do: "pin", image: digestOf.v2, revision: "1" };
    expect((await admin.post(prodPath, { ...fields, note: "" })).status).toBe(303);
    expect((await admin.visit(prodPath)).html).toContain("prod is pinned to sha256:222222222222 now");
    expect(await pinned()).toEqual({ image: digestOf.v2, revision: 2 });
  });

  test("is refused, with the reason, where somebody else was faster", async ({ admin, csrf, newService }) => {
    const { prodPath, pin, pinned } = await newService("raced");
    const preview = (await admin.visit(`${prodPath}?image=v2`)).html;
    await pin(digestOf.v1);
    const fields = { csrf, do: "pin", image: "v2", revision: hiddenField(preview, "revision") };
    const { status, html } = await admin.post(prodPath, fields);
    expect(status).toBe(412);
    expect(html).toContain("environment `prod` is at revision 2, not 1");
    expect(html).toContain('role="alert"');
    expect(await pinned()).toEqual({ image: digestOf.v1, revision: 2 });
  });

  test("sent twice pins once", async ({ admin, csrf, newService }) => {
    const { prodPath, pinned } = await newService("twice");
    const fields = { csrf, do: "pin", image: "v2", revision: "1" };
    const answers = await Promise.all([admin.post(prodPath, fields), admin.post(prodPath, fields)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 412]);
    expect(await pinned()).toEqual({ image: "v2", revision: 2 });
  });

  test.for([
    ["a tag that was never pushed", { image: "v3" }, 404, "v3"],
    ["a digest that was never pushed", { image: `sha256:${"9".repeat(64)}` }, 404, "was pushed"],
    ["no image", { image: "" }, 400, "image"],
    ["markup for an image", { image: "<script>" }, 400, "image"],
    ["a note that is too long", { note: "x".repeat(501) }, 400, "a note has at most 500 characters"],
    ["no revision", { revision: "" }, 400, "revision"],
    ["half a revision", { revision: "1.5" }, 400, "revision"],
    ["a revision that is none", { revision: "one" }, 400, "revision"],
  ] as const)(
    "to %s is refused, with the reason, and changes nothing",
    async ([what, wrong, status, message], { admin, csrf, newService }) => {
      const { prodPath, pinned } = await newService(
        `bad-${what.replaceAll(/\W/g, "").slice(0, 30).toLowerCase()}`,
      );
      const right = { csrf, do: "pin", image: "v2", note: "", revision: "1" };
      const answer = await admin.post(prodPath, { ...right, ...wrong });
      expect(answer.status).toBe(status);
      const notice = /role="alert">([^<]*)</.exec(answer.html)?.[1];
      expect(notice).toContain(message);
      expect(await pinned()).toEqual(untouched);
    },
  );

  test("is for a token that is narrowed to it, and to no other environment", async ({
    account,
    admin,
    newService,
  }) => {
    const { path, prodPath, pinned } = await newService("narrow");
    const narrow = loggedIn(
      (await createToken(account, { role: "deploy", service: "narrow", environments: ["prod"] }))
        .secret_token,
    );
    const own = hiddenField((await narrow.visit(prodPath)).html, "csrf");
    const fields = { csrf: own, do: "pin", image: "v2", revision: "1" };
    expect((await narrow.post(`${path}/environment/default`, fields)).status).toBe(403);
    expect((await narrow.post(prodPath, fields)).status).toBe(303);
    expect(await pinned()).toEqual({ image: "v2", revision: 2 });
    expect(text((await admin.visit(`${path}/environment/default`)).html)).toContain("revision 1");
  });
});

describe("the history of an environment's pins", () => {
  test("shows twenty at once, newest first, and the earlier ones on the page behind its link", async ({
    admin,
    newService,
  }) => {
    const { prodPath, pin } = await newService("long");
    for (let n = 0; n < 20; n++) await pin(n % 2 === 0 ? "v2" : "v1");
    const first = (await admin.visit(prodPath)).html;
    const earlier = /<a href="([^"]*)">Earlier changes/.exec(first)?.[1] ?? "";
    const second = (await admin.visit(earlier)).html;
    const revisions = (html: string) => {
      const history = html.slice(html.indexOf('id="history"'));
      return [...history.matchAll(/<th scope="row">(\d+)</g)].map(([, revision]) => Number(revision));
    };
    expect(revisions(first)).toEqual(Array.from({ length: 20 }, (_, n) => 21 - n));
    expect(revisions(second)).toEqual([1]);
    expect((await admin.visit(`${prodPath}?cursor=x`)).status).toBe(400);
  });
});
