import { describe, expect } from "vitest";
import { z } from "zod";
import { routes } from "../../../src/edge/api/routes.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { imageList } from "../../../src/protocol/v3/images.ts";
import { environmentList, serviceList } from "../../../src/protocol/v3/services.ts";
import { call, createAccount, createCluster, createService, refusal } from "../../support/worker/api.ts";
import { pinnedService } from "../../support/worker/pinned-service.ts";
import { clusterTest } from "../../support/worker/worker-test.ts";

const digestNumber = (n: number) => `sha256:${n.toString(16).padStart(4, "0").padEnd(64, "0")}`;

/** A service with more of everything than a page of the test. */
const test = clusterTest.extend("world", { scope: "file" }, async ({ cluster: _ }) => {
  const account = await createAccount();
  await createCluster(account, "main");
  const token = account.admin;
  const hello = await pinnedService(account, "hello");
  for (const name of ["editor-b", "editor-a", "viewer"]) await createService(account, name);
  for (const name of ["preview-1", "preview-2", "a-preview"]) await hello.environment("v1", name);
  // The images of the service itself have digests of one digit each.
  const pushes: [number, string][] = [
    [0xab01, "build-1"],
    [0xab02, "build-2"],
    [0xab02, "build-2.1"],
    [0xab03, "build-3"],
    [0xab03, "abcd"],
    [0xcd04, "other"],
  ];
  for (const [n, tag] of pushes) await hello.record(tag, digestNumber(n));
  const of = `/v3/accounts/${account.name}`;
  const api = `${of}/services/hello`;
  for (const key of ["doc-1", "doc-2", "note-1"]) await hello.connect("prod", key);
  await hello.connect("preview-1", "doc-3");
  const { backends } = await call(backendList, `${api}/backends`, { token });
  return { token, of, api, backends };
});

/** What a list says of each of its items. */
const lists = {
  services: {
    path: "services",
    read: (answer: unknown) => serviceList.parse(answer).services.map(({ name }) => name),
  },
  environments: {
    path: "services/hello/environments",
    read: (answer: unknown) => environmentList.parse(answer).environments.map(({ name }) => name),
  },
  images: {
    path: "services/hello/images",
    read: (answer: unknown) => imageList.parse(answer).images.map(({ digest }) => digest.slice(7, 11)),
  },
  backends: {
    path: "services/hello/backends",
    read: (answer: unknown) => backendList.parse(answer).backends.map(({ key }) => key),
  },
} as const;

const searches: [list: keyof typeof lists, search: string, found: (string | undefined)[]][] = [
  ["services", "editor", ["editor-a", "editor-b"]],
  ["services", "ditor", []],
  ["services", "_", []],
  ["environments", "preview", ["a-preview", "preview-2", "preview-1"]],
  ["environments", "PREVIEW-", ["preview-2", "preview-1"]],
  ["environments", "%", []],
  ["images", "build", ["ab01", "ab02", "ab03"]],
  ["images", "build-2.", ["ab02"]],
  ["images", "BUILD", []],
  ["images", "ab0", []],
  ["images", "ab01", ["ab01"]],
  ["images", "sha256:ab", ["ab01", "ab02", "ab03"]],
  ["images", "abcd", ["ab03"]],
  ["images", "sha256:ee", []],
  ["backends", "doc", ["doc-3", "doc-2", "doc-1"]],
  ["backends", "preview-1", ["doc-3"]],
  ["backends", "nothing", []],
];

describe("a search", () => {
  test("is offered by the lists of this table", () => {
    const searched = routes.flatMap(({ path, query }) => {
      const fields = query?.toJSONSchema({ io: "input", unrepresentable: "any" }).properties ?? {};
      return "search" in fields ? [path.split("/").at(-1)] : [];
    });
    expect(searched.sort()).toEqual(Object.keys(lists).sort());
  });

  test.for(searches)(
    "of %s for %s finds them, page by page in both directions",
    async ([list, text, found], { world }) => {
      const { path, read } = lists[list];
      const page = async (query: Record<string, string>) => {
        const fields = new URLSearchParams({ search: text, ...query });
        const answer = await call(z.looseObject({}), `${world.of}/${path}?${fields}`, { token: world.token });
        const { next_cursor: next, previous_cursor: previous } = z
          .object({ next_cursor: z.string().optional(), previous_cursor: z.string().optional() })
          .parse(answer);
        return { items: read(answer), next, previous };
      };
      expect(await page({})).toEqual({ items: found, next: undefined, previous: undefined });
      const first = await page({ limit: "1" });
      const walked = [first];
      for (let at = first.next; at !== undefined; at = walked.at(-1)?.next) {
        walked.push(await page({ limit: "1", cursor: at }));
      }
      expect(walked.flatMap(({ items }) => items)).toEqual(found);
      const last = walked.at(-1) ?? first;
      const back = [last];
      for (let at = last.previous; at !== undefined; at = back[0]?.previous) {
        back.unshift(await page({ limit: "1", cursor: at }));
      }
      expect(back).toEqual(walked);
    },
  );

  test("finds a backend by its id, and by the digest that it runs", async ({ world }) => {
    const { token, api, backends } = world;
    const [newest] = backends;
    const search = async (text: string) =>
      (await call(backendList, `${api}/backends?${new URLSearchParams({ search: text })}`, { token }))
        .backends;
    expect(await search(newest?.id ?? "")).toEqual([newest]);
    expect(await search(newest?.image.digest.slice(7, 20) ?? "")).toEqual(
      backends.filter(({ image }) => image.digest === newest?.image.digest),
    );
  });

  test("goes on within what it finds, whatever its cursor names", async ({ world }) => {
    const { token, api } = world;
    const found = async (cursor: string) =>
      lists.images.read(
        await call(imageList, `${api}/images?${new URLSearchParams({ search: "build", cursor })}`, { token }),
      );
    expect(await found("a")).toEqual(["ab01", "ab02", "ab03"]);
    expect(await found("~zzz")).toEqual(["ab01", "ab02", "ab03"]);
    expect(await found("zzz")).toEqual([]);
    expect(await found("~a")).toEqual([]);
  });

  test.for(Object.values(lists))(
    "for nothing, or for too much, is refused: $path",
    async ({ path }, { world }) => {
      for (const text of ["", " ", "x".repeat(129), "a\nb"]) {
        const fields = new URLSearchParams({ search: text });
        const { status, code } = await refusal(`${world.of}/${path}?${fields}`, { token: world.token });
        expect([text, status, code]).toEqual([text, 400, "bad_request"]);
      }
    },
  );
});
