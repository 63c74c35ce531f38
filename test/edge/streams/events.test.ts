import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { accountChanges, serviceChanges } from "../../../src/edge/streams/changes.ts";
import { accountStub, serviceStub } from "../../../src/objects/stubs.ts";
import { accountEvent, eventList } from "../../../src/protocol/v3/events.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

const digest = `sha256:${"a".repeat(64)}`;
const live = { accept: "text/event-stream" };
const soon = { timeout: 5_000, interval: 5 };

let account: TestAccount;
let root: string;
let service: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  root = `/v3/accounts/${account.name}`;
  await createCluster(account);
  service = await createService(account);
});

const list = (query = "", token = account.admin) => call(eventList, `${root}/events${query}`, { token });

async function record(tag: string): Promise<void> {
  await send(`${service}/images`, { token: account.admin, json: { digest, tag } });
}

/** The newest event of a tag, once it is there. */
async function recorded(tag: string) {
  return vi.waitFor(async () => {
    const { events } = await list("?type=image.recorded");
    const found = events.find(({ details }) => details?.tag === tag);
    if (!found) throw new Error(`${tag} is not there yet`);
    return found;
  }, soon);
}

/** Opens a stream of events and reads it one by one, without the empty lines between them. */
async function follow(query = "", headers: Record<string, string> = {}, token = account.admin) {
  const response = await send(`${root}/events${query}`, { token, headers: { ...live, ...headers } });
  if (!response.body) throw new Error("no body");
  const reader = response.body.getReader();
  const next = async (): Promise<string | null> => {
    const { done, value } = await reader.read();
    if (done) return null;
    const text = new TextDecoder().decode(value);
    return text === "\n" ? next() : text;
  };
  return { response, next, leave: () => reader.cancel() };
}

describe("the events of an account", () => {
  test("are listed with who did it, newest first and page by page", async () => {
    await record("listed");
    const event = await recorded("listed");
    expect(event).toMatchObject({
      service: "hello",
      actor: { token_id: account.admin.split(/[_.]/)[1], token_name: "first admin" },
      message: "recorded image sha256:aaaaaaaaaaaa… as `listed`",
    });
    const all = await list();
    const first = await list("?limit=1");
    const second = await list(`?limit=1&cursor=${first.next_cursor}`);
    expect([...first.events, ...second.events]).toEqual(all.events.slice(0, 2));
    const ids = all.events.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted().reverse());
  });

  test.each([
    ["?type=spawned", "bad_request"],
    ["?limit=0", "bad_request"],
    ["?cursor=7", "bad_request"],
    ["?service=No", "bad_request"],
    ["?since=now", "bad_request"],
  ])("are refused to the query %s", async (query, code) => {
    const refused = await refusal(`${root}/events${query}`, { token: account.admin });
    expect([refused.status, refused.code]).toEqual([400, code]);
  });

  test("of its service only are shown to a token that is narrowed to it", async () => {
    const { secret_token } = await createToken(account, { role: "read", service: "hello" });
    for (const query of ["", "?service=other"]) {
      const refused = await refusal(`${root}/events${query}`, { token: secret_token });
      expect([refused.status, refused.code]).toEqual([403, "forbidden"]);
      const stream = await refusal(`${root}/events${query}`, { token: secret_token, headers: live });
      expect(stream.code).toBe("forbidden");
    }
    const { events } = await list("?service=hello", secret_token);
    expect(new Set(events.map((event) => event.service))).toEqual(new Set(["hello"]));
  });

  test("of other environments are not shown to a token that is narrowed to one, nor streamed", async () => {
    const environments = `${service}/environments`;
    const { secret_token } = await createToken(account, {
      role: "read",
      service: "hello",
      environments: ["default"],
    });
    const stream = await follow("?service=hello", {}, secret_token);
    await send(environments, { token: account.admin, json: { name: "hidden" } });
    const path = `${environments}/default`;
    await send(path, { token: account.admin, method: "PATCH", json: { settings: { max_idle_seconds: 1 } } });
    expect(await stream.next()).toContain('"environment":"default"');
    await stream.leave();
    const { events } = await list("?service=hello", secret_token);
    expect(events.map(({ environment }) => environment)).not.toContain("hidden");
    const refused = await refusal(`${root}/events?service=hello&environment=hidden`, { token: secret_token });
    expect(refused.code).toBe("forbidden");
  });

  test("of another account are not found, and agents read none", async () => {
    const other = await createAccount();
    const refused = await refusal(`${root}/events`, { token: other.admin, headers: live });
    expect([refused.status, refused.code]).toEqual([404, "account_not_found"]);
  });
});

describe("a stream of events", () => {
  test("sends what is recorded from now on, one event a chunk with its id", async () => {
    await record("before");
    await recorded("before");
    const stream = await follow("?type=image.recorded");
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream");
    expect(stream.response.headers.get("x-request-id")).toMatch(/./);
    await send(service, { token: account.admin, method: "PATCH", json: { default_environment: null } });
    await record("after");
    const text = await stream.next();
    const event = await recorded("after");
    expect(text).toBe(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
    await stream.leave();
  });

  test("begins with what was recorded after Last-Event-ID", async () => {
    await record("seen");
    const { id } = await recorded("seen");
    await record("missed");
    await recorded("missed");
    const stream = await follow("?type=image.recorded", { "last-event-id": id });
    const data = (await stream.next())?.split("data: ")[1] ?? "";
    expect(accountEvent.parse(JSON.parse(data)).details?.tag).toBe("missed");
    await record("live");
    expect(await stream.next()).toContain('"tag":"live"');
    await stream.leave();
  });

  test("is refused to a Last-Event-ID that no event has", async () => {
    const headers = { ...live, "last-event-id": "7" };
    const refused = await refusal(`${root}/events`, { token: account.admin, headers });
    expect([refused.status, refused.code]).toEqual([400, "bad_request"]);
  });

  test("ends when the account is restarted, so that clients come again", async () => {
    const stream = await follow();
    await runInDurableObject(accountStub(env, account.name), (_, state) => state.abort("restarted")).catch(
      () => null,
    );
    expect(await stream.next()).toBeNull();
  });
});

describe("changes", () => {
  async function read<T>(reader: ReadableStreamDefaultReader<T>): Promise<T> {
    const { value, done } = await reader.read();
    if (done) throw new Error("the changes have ended");
    return value;
  }
  const everything = { changed: ["backends", "environments", "images"] };

  test("of a service begin with all of it, continue with what changes, and begin anew when it is restarted", async () => {
    const reader = serviceChanges(env, account.name, "hello").getReader();
    expect(await read(reader)).toEqual(everything);
    await record("changes");
    expect(await read(reader)).toEqual({ changed: ["environments", "images"] });
    const stub = () => serviceStub(env, account.name, "hello");
    await runInDurableObject(stub(), (_, state) => state.abort("restarted")).catch(() => null);
    expect(await read(reader)).toEqual(everything);
    await record("changes");
    expect(await read(reader)).toEqual({ changed: ["environments", "images"] });
    await reader.cancel();
    const sockets = () => runInDurableObject(stub(), (_, state) => state.getWebSockets().length);
    await vi.waitFor(async () => expect(await sockets()).toBe(0), soon);
  });

  test("of an account are its events, and after a restart what was missed", async () => {
    const reader = accountChanges(env, account.name).getReader();
    expect(await read(reader)).toEqual({ event: null });
    await record("first");
    expect((await read(reader)).event?.details).toMatchObject({ tag: "first" });
    const stub = accountStub(env, account.name);
    await runInDurableObject(stub, (_, state) => state.abort("restarted")).catch(() => null);
    await record("second");
    expect(await read(reader)).toEqual({ event: null });
    expect((await read(reader)).event?.details).toMatchObject({ tag: "second" });
    await reader.cancel();
  });

  test("of what is not there end at once", async () => {
    const reader = serviceChanges(env, account.name, "missing").getReader();
    expect((await reader.read()).done).toBe(true);
  });

  test("that are cancelled while they wait to follow again end", async () => {
    const gone = {
      ...env,
      SERVICE: { getByName: () => ({ fetch: () => Promise.reject(new Error("busy")) }) },
    };
    const reader = serviceChanges(Object.assign(Object.create(env), gone), account.name, "hello").getReader();
    const reading = reader.read();
    await reader.cancel();
    expect((await reading).done).toBe(true);
  });
});
