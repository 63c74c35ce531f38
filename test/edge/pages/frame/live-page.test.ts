import { env } from "cloudflare:workers";
import { html } from "hono/html";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { pageChangesGatheredMs, pageRenderedEveryMs } from "../../../../src/domain/limits.ts";
import { fail, ok } from "../../../../src/domain/result.ts";
import { livePage, type PageRenders } from "../../../../src/edge/pages/frame/live-page.ts";
import type { Page } from "../../../../src/edge/pages/frame/page.ts";
import type { AnyPageCall } from "../../../../src/edge/pages/frame/page-call.ts";
import { SharedRenders } from "../../../../src/edge/pages/frame/shared-renders.ts";
import { closeEvent } from "../../../../src/edge/pages/frame/stream-events.ts";
import { sseEvent } from "../../../../src/protocol/sse.ts";
import { apiOrigin } from "../../../support/worker/api.ts";

const actor = { tokenId: "token0000000", tokenName: "of a test" };
const call: AnyPageCall = {
  request: new Request(apiOrigin),
  env,
  params: {},
  query: new URLSearchParams(),
  path: "/",
  forget: () => {},
  visitor: {
    identity: { account: "acme", tokenId: "token0000000", tokenName: "of a test", role: "read" },
    actor,
    caller: { actor, registryHost: "registry.test" },
    credential: "",
    csrf: "",
  },
};

/**
 * A page that shows one text after the other, and then the last one; with as many changes as
 * there are texts, each once the one before was shown, and then none any more without an end.
 */
function scriptedPage(texts: readonly string[], last: "stays" | "is final" | "fails" | "throws" = "stays") {
  const state = { shown: 0, isCancelled: false };
  let change = () => {};
  const changes = new ReadableStream({
    start(controller) {
      change = () => controller.enqueue("changed");
    },
    cancel() {
      state.isCancelled = true;
    },
  });
  const page: Page = {
    path: "/",
    action: "read",
    changes: () => changes,
    async show() {
      const text = texts[Math.min(state.shown, texts.length - 1)] ?? "";
      state.shown += 1;
      if (state.shown < texts.length) setTimeout(change);
      const isLast = state.shown === texts.length;
      if (isLast && last === "throws") throw new Error("the object restarts");
      if (isLast && last === "fails") return fail("service_not_found", "it is gone");
      return ok({ title: "Test", body: html`<p>${text}</p>`, isFinal: isLast && last === "is final" });
    },
  };
  return { page, state };
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<string | null> {
  const chunk = await reader?.read();
  return chunk?.value ? new TextDecoder().decode(chunk.value) : null;
}

const admitted = async () => true;
const eventOf = (text: string) => sseEvent(`<p>${text}</p>`);

describe("a live page", () => {
  test("is sent where it differs from what was sent last, and not at every change", async () => {
    const { page, state } = scriptedPage(["a", "a", "a", "b", "b", "a"]);
    const reader = livePage(page, call, admitted, new SharedRenders()).body?.getReader();
    expect([await read(reader), await read(reader), await read(reader)]).toEqual([
      eventOf("a"),
      eventOf("b"),
      eventOf("a"),
    ]);
    expect(state.shown).toBe(6);
    await reader?.cancel();
  });

  test("that is final is sent, and then that it is over for good", async () => {
    const { page, state } = scriptedPage(["a", "b"], "is final");
    const reader = livePage(page, call, admitted, new SharedRenders()).body?.getReader();
    expect([await read(reader), await read(reader)]).toEqual([eventOf("a"), eventOf("b")]);
    expect([await read(reader), await read(reader)]).toEqual([closeEvent, null]);
    expect(state.isCancelled).toBe(true);
  });

  test("that cannot be shown any more ends, so that the page is requested again and says why", async () => {
    const { page, state } = scriptedPage(["a", "b"], "fails");
    const reader = livePage(page, call, admitted, new SharedRenders()).body?.getReader();
    expect([await read(reader), await read(reader)]).toEqual([eventOf("a"), null]);
    expect(state.isCancelled).toBe(true);
  });

  test("checks before each time whether the visitor may see it, and makes nothing for one who may not", async () => {
    const { page, state } = scriptedPage(["a", "b", "c"]);
    let isAdmitted = true;
    const reader = livePage(page, call, async () => isAdmitted, new SharedRenders()).body?.getReader();
    expect([await read(reader), await read(reader)]).toEqual([eventOf("a"), eventOf("b")]);
    isAdmitted = false;
    expect(await read(reader)).toBeNull();
    expect(state).toEqual({ shown: 2, isCancelled: true });
  });

  test("knows of its viewer what they may do, and neither who they are nor who made their token", async () => {
    const { page } = scriptedPage(["a"]);
    const { visitor } = call;
    const show = vi.spyOn(page, "show");
    const made = { rights: ["approve"], makers: ["maker0000000"], role: "deploy" } as const;
    const viewer = {
      ...call,
      visitor: { ...visitor, identity: { ...visitor.identity, ...made }, actor: { ...actor, ...made } },
    };
    const reader = livePage(page, viewer, admitted, new SharedRenders()).body?.getReader();
    await read(reader);
    await reader?.cancel();
    const shownTo = show.mock.lastCall?.[0].visitor;
    const nobody = { tokenId: "", tokenName: "", role: "deploy", rights: ["approve"] };
    expect(shownTo?.identity).toEqual({ account: "acme", ...nobody });
    expect([shownTo?.actor, shownTo?.caller.actor]).toEqual([nobody, nobody]);
  });

  test("stops following the changes when nobody looks any more", async () => {
    const { page, state } = scriptedPage(["a"]);
    const reader = livePage(page, call, admitted, new SharedRenders()).body?.getReader();
    await read(reader);
    await reader?.cancel();
    expect(state.isCancelled).toBe(true);
  });

  test("stops following the changes when it breaks off", async () => {
    const { page, state } = scriptedPage(["a", "b"], "throws");
    const reader = livePage(page, call, admitted, new SharedRenders()).body?.getReader();
    expect(await read(reader)).toBe(eventOf("a"));
    await expect(read(reader)).rejects.toThrow("the object restarts");
    expect(state.isCancelled).toBe(true);
  });
});

describe("open pages", () => {
  test("of a service are rendered one a second, whichever page, query and scope; those of no service, one for the account", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance", "setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const renders: PageRenders = new SharedRenders();
    const shown: string[] = [];
    const open = (name: string, given: Partial<AnyPageCall>) => {
      const page: Page = {
        path: "/",
        action: "read",
        changes: () => new ReadableStream(),
        async show() {
          shown.push(name);
          return ok({ title: name, body: html`<p>${name}</p>` });
        },
      };
      return livePage(page, { ...call, ...given }, admitted, renders)
        .body?.getReader()
        .read();
    };
    const params = { account: "acme", service: "hello" };
    const narrowed = { ...actor, environments: ["prod"] };
    const opened = [
      open("service", { params, path: "/service/acme/hello" }),
      open("week", { params, path: "/service/acme/hello", query: new URLSearchParams("range=7d") }),
      open("scope", {
        params,
        path: "/service/acme/hello",
        visitor: { ...call.visitor, identity: { ...call.visitor.identity, ...narrowed }, actor: narrowed },
      }),
      open("environment", { params: { ...params, environment: "prod" }, path: "/environment/prod" }),
      open("backend", {
        path: "/backend/b",
        backend: { id: "b", account: "acme", service: "hello", location: "auto" },
      }),
      open("other", { params: { account: "acme", service: "other" }, path: "/service/acme/other" }),
      open("clusters", { path: "/clusters" }),
      open("events", { path: "/events" }),
    ];
    await vi.advanceTimersByTimeAsync(pageChangesGatheredMs);
    const turns = [shown.splice(0)];
    for (let second = 0; second < 5; second++) {
      await vi.advanceTimersByTimeAsync(pageRenderedEveryMs);
      turns.push(shown.splice(0));
    }
    expect(turns).toEqual([
      ["service", "other", "clusters"],
      ["week", "events"],
      ["scope"],
      ["environment"],
      ["backend"],
      [],
    ]);
    expect((await Promise.all(opened)).map((chunk) => chunk?.done)).toEqual(opened.map(() => false));
  });
});
