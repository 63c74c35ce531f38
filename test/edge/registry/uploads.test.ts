import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { registryStub } from "../../../src/objects/stubs.ts";
import {
  createAccount,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import {
  type RegistryClient,
  type RegistryRequest,
  refusalOf,
  registryClient,
  sendOci,
  sha,
  someBytes,
} from "../../support/worker/registry.ts";

const MB = 1_000_000;
let account: TestAccount;
let hello: RegistryClient;
let other: RegistryClient;

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
  await createService(account, "other");
  hello = registryClient(account, account.admin);
  other = registryClient(account, account.admin, "other");
});

async function begin(query = ""): Promise<string> {
  const answer = await hello.request(`blobs/uploads/${query}`, { method: "POST" });
  expect(answer.status).toBe(202);
  expect(answer.headers.get("docker-upload-uuid")).toMatch(/^[0-9a-f-]{36}$/);
  return answer.headers.get("location") ?? "";
}

function at(location: string, init: RegistryRequest) {
  return sendOci(location, { authorization: hello.authorization, ...init });
}

const patch = (location: string, body: BodyInit, headers: Record<string, string> = {}) =>
  at(location, { method: "PATCH", body, headers });

function put(location: string, digest: string, body?: BodyInit, headers: Record<string, string> = {}) {
  const separator = location.includes("?") ? "&" : "?";
  const init = { method: "PUT", headers, ...(body === undefined ? {} : { body }) };
  return at(`${location}${separator}digest=${encodeURIComponent(digest)}`, init);
}

async function stored(digest: string, from: RegistryClient = hello): Promise<string> {
  const answer = await from.request(`blobs/${digest}`);
  expect(answer.status).toBe(200);
  return sha(await answer.arrayBuffer(), digest.startsWith("sha512") ? "sha512" : "sha256");
}

const unknownLength = (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes]).stream();

describe("a blob arrives whole", () => {
  test.each([0, 1, 100, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1, 17 * MB])(
    "in one POST with its digest: %i bytes",
    async (length) => {
      const bytes = someBytes(length);
      const digest = await sha(bytes);
      const answer = await hello.request(`blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
      expect(answer.status).toBe(201);
      expect(answer.headers.get("docker-content-digest")).toBe(digest);
      expect(answer.headers.get("location")).toBe(`/v2/${hello.name}/blobs/${digest}`);
      expect(await stored(digest)).toBe(digest);
    },
  );

  test.each([0, 3, 5 * 1024 * 1024, 12 * MB])(
    "in one PUT, as containerd sends it: %i bytes",
    async (length) => {
      const bytes = someBytes(length);
      const digest = await sha(bytes);
      expect((await put(await begin(), digest, bytes)).status).toBe(201);
      expect(await stored(digest)).toBe(digest);
    },
  );

  test.each([0, 4, 5 * 1024 * 1024, 10 * 1024 * 1024, 12 * MB])(
    "in one PATCH of unknown length, as docker sends it: %i bytes",
    async (length) => {
      const bytes = someBytes(length);
      const digest = await sha(bytes);
      const patched = await patch(await begin(), unknownLength(bytes));
      expect(patched.status).toBe(202);
      expect(patched.headers.get("range")).toBe(`0-${Math.max(length - 1, 0)}`);
      expect((await put(patched.headers.get("location") ?? "", digest)).status).toBe(201);
      expect(await stored(digest)).toBe(digest);
    },
  );

  test.each([7, 12 * MB])("in one PATCH with its length, as skopeo sends it: %i bytes", async (length) => {
    const bytes = someBytes(length);
    const digest = await sha(bytes);
    const patched = await patch(await begin(), bytes);
    expect((await put(patched.headers.get("location") ?? "", digest)).status).toBe(201);
    expect(await stored(digest)).toBe(digest);
  });

  test.each(["POST", "PUT", "PATCH"])("with a sha512 digest by %s", async (method) => {
    const bytes = someBytes(6 * MB);
    const digest = await sha(bytes, "sha512");
    if (method === "POST") {
      const answer = await hello.request(`blobs/uploads/?digest=${digest}`, { method, body: bytes });
      expect(answer.status).toBe(201);
    } else {
      const location = await begin("?digest-algorithm=sha512");
      if (method === "PATCH") await patch(location, unknownLength(bytes));
      expect((await put(location, digest, method === "PUT" ? bytes : undefined)).status).toBe(201);
    }
    expect(await stored(digest)).toBe(digest);
  });

  test("with a sha512 digest that was not announced", async () => {
    const bytes = someBytes(100);
    const digest = await sha(bytes, "sha512");
    const location = await begin();
    await patch(location, unknownLength(bytes));
    expect((await put(location, digest)).status).toBe(201);
    expect(await stored(digest)).toBe(digest);
  });
});

describe("a blob arrives in chunks", () => {
  test.each([
    ["small ones", [3, 4, 5]],
    ["large ones", [6 * MB, 7 * MB, 1]],
    ["parts that are full", [5 * 1024 * 1024, 5 * 1024 * 1024]],
    ["a large one with its length, then small ones", [12 * MB, 10, 20]],
    ["some that are empty", [0, 6 * MB, 0, 9]],
  ])("%s, each at its offset", async (_, lengths) => {
    const chunks = lengths.map(someBytes);
    const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
    const digest = await sha(whole);
    let location = await begin();
    let offset = 0;
    for (const chunk of chunks) {
      const end = offset + chunk.byteLength - 1;
      const headers: Record<string, string> =
        chunk.byteLength === 0 ? {} : { "content-range": `${offset}-${end}` };
      const answer = await patch(location, chunk, headers);
      expect(answer.status).toBe(202);
      offset += chunk.byteLength;
      expect(answer.headers.get("range")).toBe(`0-${Math.max(offset - 1, 0)}`);
      location = answer.headers.get("location") ?? "";
    }
    expect((await put(location, digest)).status).toBe(201);
    expect(await stored(digest)).toBe(digest);
  });

  test("with the last one in the PUT", async () => {
    const chunks = [someBytes(6 * MB), someBytes(8 * MB)] as const;
    const digest = await sha(await new Blob([...chunks]).arrayBuffer());
    const location = await begin();
    await patch(location, chunks[0], { "content-range": `0-${6 * MB - 1}` });
    const answer = await put(location, digest, chunks[1], {
      "content-range": `${6 * MB}-${14 * MB - 1}`,
    });
    expect(answer.status).toBe(201);
    expect(await stored(digest)).toBe(digest);
  });

  test.each([
    ["after a gap", "5-6"],
    ["before the end", "0-1"],
  ])("a chunk %s is 416 and shows how far the upload is", async (_, range) => {
    const location = await begin();
    await patch(location, new Uint8Array([1, 2, 3]));
    for (const method of ["PATCH", "PUT"]) {
      const answer = await at(`${location}?digest=${await sha(new Uint8Array(2))}`, {
        method,
        body: new Uint8Array(2),
        headers: { "content-range": range },
      });
      expect(answer.headers.get("range")).toBe("0-2");
      expect(await refusalOf(answer)).toEqual([416, "BLOB_UPLOAD_INVALID"]);
    }
    expect((await at(location, {})).headers.get("range")).toBe("0-2");
  });

  test.each([
    ["that is no range", "one-two", "BLOB_UPLOAD_INVALID"],
    ["that ends before it starts", "5-0", "BLOB_UPLOAD_INVALID"],
    ["of another length than the body", "0-10", "SIZE_INVALID"],
  ])("a Content-Range %s is 400", async (_, range, code) => {
    const answer = await patch(await begin(), new Uint8Array(3), { "content-range": range });
    expect(await refusalOf(answer)).toEqual([400, code]);
  });

  test.each([100, 6 * MB])(
    "of two that arrive at once for the same place, one is taken, whole: %i bytes",
    async (length) => {
      const location = await begin();
      const bodies = [someBytes(length), someBytes(length)];
      const answers = await Promise.all(bodies.map((body) => patch(location, unknownLength(body))));
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 416]);
      const taken = bodies[answers.findIndex(({ status }) => status === 202)] ?? new Uint8Array();
      const digest = await sha(taken);
      expect((await put(location, digest)).status).toBe(201);
      expect(await stored(digest)).toBe(digest);
    },
  );
});

describe("an upload", () => {
  test("survives the eviction of the registry's object", async () => {
    const bytes = someBytes(11 * MB);
    const digest = await sha(bytes);
    const location = await begin();
    await patch(location, bytes.subarray(0, 7 * MB));
    await evictDurableObject(registryStub(env, account.name));
    const answer = await patch(location, bytes.subarray(7 * MB), {
      "content-range": `${7 * MB}-${11 * MB - 1}`,
    });
    expect(answer.status).toBe(202);
    expect((await put(location, digest)).status).toBe(201);
    expect(await stored(digest)).toBe(digest);
  });

  test("that is requested shows its offset, and is gone when it was cancelled or finished", async () => {
    const cancelled = await begin();
    await patch(cancelled, new Uint8Array(10));
    const shown = await at(cancelled, {});
    expect([shown.status, shown.headers.get("range")]).toEqual([204, "0-9"]);
    expect((await at(cancelled, { method: "DELETE" })).status).toBe(204);
    const finished = await begin();
    const bytes = someBytes(3);
    expect((await put(finished, await sha(bytes), bytes)).status).toBe(201);
    for (const location of [cancelled, finished]) {
      expect(await refusalOf(await at(location, {}))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    }
  });

  test.each(["GET", "PATCH", "PUT", "DELETE"])("that is not there is 404 to %s", async (method) => {
    const answer = await hello.request(
      `blobs/uploads/no-such-upload?digest=${await sha(new Uint8Array(0))}`,
      {
        method,
      },
    );
    expect(await refusalOf(answer)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("of another repository is not there", async () => {
    const location = (await begin()).replace("/hello/", "/other/");
    expect(await refusalOf(await at(location, {}))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("is not begun with an algorithm that is not known", async () => {
    const answer = await hello.request("blobs/uploads/?digest-algorithm=md5", { method: "POST" });
    expect(await refusalOf(answer)).toEqual([400, "UNSUPPORTED"]);
  });
});

describe("a digest that the bytes do not have", () => {
  const wrong = `sha256:${"0".repeat(64)}`;

  test.each([3, 6 * MB, 12 * MB])("is 400, and nothing is stored: %i bytes", async (length) => {
    const bytes = someBytes(length);
    const byPost = await hello.request(`blobs/uploads/?digest=${wrong}`, { method: "POST", body: bytes });
    const byPut = await put(await begin(), wrong, bytes);
    const location = await begin();
    await patch(location, unknownLength(bytes));
    const byPatch = await put(location, wrong);
    for (const answer of [byPost, byPut, byPatch]) {
      expect(await refusalOf(answer)).toEqual([400, "DIGEST_INVALID"]);
    }
    for (const digest of [wrong, await sha(bytes)]) {
      expect((await hello.request(`blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
    }
  });

  test.each(["", "sha256:abc", `sha256:${"A".repeat(64)}`, "md5:d41d8cd98f00b204e9800998ecf8427e"])(
    "is 400 where it is none: `%s`",
    async (digest) => {
      expect(await refusalOf(await put(await begin(), digest, new Uint8Array(1)))).toEqual([
        400,
        "DIGEST_INVALID",
      ]);
    },
  );

  test("leaves a blob alone that somebody else pushed", async () => {
    const { digest } = await hello.pushBlob(someBytes(10));
    await hello.request(`blobs/uploads/?digest=${digest}`, { method: "POST", body: someBytes(10) });
    expect(await stored(digest)).toBe(digest);
  });
});

describe("a mount", () => {
  const mount = (digest: string, from: string, token: string) =>
    registryClient(account, token, "other").request(
      `blobs/uploads/?mount=${digest}&from=${encodeURIComponent(from)}`,
      { method: "POST" },
    );

  test("gives a blob of another repository of the account, with its real length", async () => {
    const { digest } = await hello.pushBlob(someBytes(1234));
    expect((await other.request(`blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
    const answer = await mount(digest, hello.name, account.admin);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`/v2/${other.name}/blobs/${digest}`);
    const head = await other.request(`blobs/${digest}`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe("1234");
    expect(await stored(digest, other)).toBe(digest);
  });

  test("of a blob that is not there begins an upload", async () => {
    const answer = await mount(await sha(someBytes(5)), hello.name, account.admin);
    expect(answer.status).toBe(202);
    expect(answer.headers.get("location")).toMatch(`/v2/${other.name}/blobs/uploads/`);
  });

  test("without the right to pull from the source begins an upload", async () => {
    const { digest } = await hello.pushBlob(someBytes(10));
    const narrowed = await createToken(account, { role: "deploy", service: "other" });
    expect((await mount(digest, hello.name, narrowed.secret_token)).status).toBe(202);
    expect((await other.request(`blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
  });

  test("from another account begins an upload, also when that account has the blob", async () => {
    const stranger = await createAccount();
    await createService(stranger);
    const { digest } = await registryClient(stranger, stranger.admin).pushBlob(someBytes(10));
    expect((await mount(digest, `${stranger.name}/hello`, account.admin)).status).toBe(202);
    expect((await other.request(`blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
  });

  test("of what is no digest is 400", async () => {
    expect(await refusalOf(await mount("latest", hello.name, account.admin))).toEqual([
      400,
      "DIGEST_INVALID",
    ]);
  });
});

describe("a blob", () => {
  let digest: string;
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i % 251);

  beforeAll(async () => {
    ({ digest } = await hello.pushBlob(bytes));
  });

  test.each(["GET", "HEAD"])("says its length, its type and its digest to %s", async (method) => {
    const answer = await hello.request(`blobs/${digest}`, { method });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-length")).toBe("300");
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(answer.headers.get("cache-control")).toContain("no-transform");
    expect(answer.headers.get("docker-content-digest")).toBe(digest);
    expect((await answer.arrayBuffer()).byteLength).toBe(method === "GET" ? 300 : 0);
  });

  test.each([
    ["bytes=0-0", 0, 1],
    ["bytes=10-19", 10, 20],
    ["bytes=290-", 290, 300],
    ["bytes=-7", 293, 300],
    ["bytes=-1000", 0, 300],
    ["bytes=299-5000", 299, 300],
  ])("is read in part: %s", async (range, start, end) => {
    const answer = await hello.request(`blobs/${digest}`, { headers: { range } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/300`);
    expect(answer.headers.get("content-length")).toBe(String(end - start));
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes.subarray(start, end));
  });

  test.each(["bytes=300-", "bytes=300-400", "bytes=-0"])(
    "is not read where it has nothing: %s",
    async (range) => {
      const answer = await hello.request(`blobs/${digest}`, { headers: { range } });
      expect(answer.status).toBe(416);
      expect(answer.headers.get("content-range")).toBe("bytes */300");
    },
  );

  test.each(["lines=1-2", "bytes=0-1,5-6", "bytes=9-3", "bytes=-", "nonsense"])(
    "is read whole where the range is to be ignored: %s",
    async (range) => {
      const answer = await hello.request(`blobs/${digest}`, { headers: { range } });
      expect(answer.status).toBe(200);
      expect((await answer.arrayBuffer()).byteLength).toBe(300);
    },
  );

  test("that is not there is 404, and 400 where that is no digest", async () => {
    const unknown = `sha256:${"1".repeat(64)}`;
    expect(await refusalOf(await hello.request(`blobs/${unknown}`))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await refusalOf(await hello.request("blobs/sha256:xyz"))).toEqual([400, "DIGEST_INVALID"]);
    const head = await hello.request(`blobs/${unknown}`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([404, ""]);
  });

  test("is deleted once, from its own repository only, and can be pushed again", async () => {
    const pushed = await hello.pushBlob(bytes.slice(0, 50));
    await other.pushBlob(bytes.slice(0, 50));
    const path = `blobs/${pushed.digest}`;
    expect((await hello.request(path, { method: "DELETE" })).status).toBe(202);
    expect(await refusalOf(await hello.request(path))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await refusalOf(await hello.request(path, { method: "DELETE" }))).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await stored(pushed.digest, other)).toBe(pushed.digest);
    await hello.pushBlob(bytes.slice(0, 50));
    expect(await stored(pushed.digest)).toBe(pushed.digest);
  });

  test("is 403 to delete while a manifest needs it", async () => {
    const { layer, digest: manifest } = await hello.pushImage("needs-its-layer");
    const answer = await hello.request(`blobs/${layer.digest}`, { method: "DELETE" });
    expect(await refusalOf(answer.clone())).toEqual([403, "DENIED"]);
    expect(await answer.text()).toContain(manifest);
  });
});

test("a relative Location of an answer can be requested as it stands", async () => {
  const location = await begin();
  expect(location).toMatch(/^\/v2\//);
  expect((await send(location, { headers: { authorization: hello.authorization } })).status).toBe(204);
});
