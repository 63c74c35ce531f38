import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { mountFolder, prepareMount } from "../../../../src/agent/runtimes/docker/mount.ts";
import { makeFolder } from "../../../support/folder.ts";

const env = {
  JAMSOCKET_SERVICE: "hello",
  SLIPWAY_ENVIRONMENT: "prod",
  SESSION_BACKEND_KEY: "doc-123",
};

describe("the folder of a mount", () => {
  test.for([undefined, false])("is none where none is requested: %s", (mount) => {
    expect(mountFolder({ mount, env })).toEqual({ ok: true, value: null });
  });

  test("has the name that is requested, in its service and environment", () => {
    expect(mountFolder({ mount: "Shared_1.data", env })).toEqual({
      ok: true,
      value: ["_by-name", "hello", "prod", "Shared_1.data"],
    });
  });

  test("is another in each service and environment, whatever is named", () => {
    const places = ["hello", "other"].flatMap((JAMSOCKET_SERVICE) =>
      ["prod", "staging"].map((SLIPWAY_ENVIRONMENT) => ({ ...env, JAMSOCKET_SERVICE, SLIPWAY_ENVIRONMENT })),
    );
    const mounts = [true, "shared", "hello", "prod", "doc-123"];
    const folders = places.flatMap((of) =>
      mounts.map((mount) => {
        const folder = mountFolder({ mount, env: of });
        return folder.ok ? folder.value?.join("/") : undefined;
      }),
    );
    expect(folders).not.toContain(undefined);
    for (const [i, folder] of folders.entries()) {
      const others = folders.toSpliced(i, 1);
      expect(others.filter((other) => other === folder || other?.startsWith(`${folder}/`))).toEqual([]);
    }
  });

  test.for([
    "",
    ".",
    "..",
    "../x",
    "/etc",
    "a/b",
    "a/../../etc",
    "a\\b",
    ".hidden",
    "-v",
    "a\0",
    "a\n",
    "a:b",
    "by-key",
    "By-Key",
    "x".repeat(129),
  ])("has no name that leads elsewhere or is a key's: %j", (mount) => {
    expect(mountFolder({ mount, env })).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });

  test("is the key's own in its service and environment", () => {
    expect(mountFolder({ mount: true, env })).toEqual({
      ok: true,
      value: ["by-key", "hello", "prod", "doc-123"],
    });
  });

  test("is another for each key, whatever keys are made of", () => {
    const keys = ["doc", "Doc", "a/b", "a", "..", ".", "", "é", "e\u0301", "x".repeat(128), "sha256=a"];
    const folders = keys.map((SESSION_BACKEND_KEY) => {
      const folder = mountFolder({ mount: true, env: { ...env, SESSION_BACKEND_KEY } });
      return folder.ok ? (folder.value?.at(-1) ?? "") : "";
    });
    expect(new Set(folders.map((folder) => folder.toLowerCase())).size).toBe(keys.length);
    for (const folder of folders) expect(folder).toMatch(/^[a-z0-9][a-z0-9._=-]*$/);
  });

  test("is refused where there is no key", () => {
    const { SESSION_BACKEND_KEY: _key, ...unkeyed } = env;
    expect(mountFolder({ mount: true, env: unkeyed })).toMatchObject({
      ok: false,
      error: { code: "bad_request", message: expect.stringContaining("no key") },
    });
  });

  test("is refused where the service or environment is no name", () => {
    for (const changes of [{ JAMSOCKET_SERVICE: ".." }, { SLIPWAY_ENVIRONMENT: "../.." }]) {
      for (const mount of [true, "shared"]) {
        expect(mountFolder({ mount, env: { ...env, ...changes } })).toMatchObject({ ok: false });
      }
    }
  });
});

describe("a folder from when all environments shared a name", () => {
  async function baseWith(...folders: string[]): Promise<string> {
    const { path, [Symbol.asyncDispose]: remove } = await makeFolder();
    onTestFinished(() => remove());
    for (const folder of folders) await mkdir(join(path, folder), { recursive: true });
    return path;
  }

  test("is opened by nobody, until it is moved to the one whose it is", async () => {
    const base = await baseWith("shared");
    const staging = { mount: "shared", env: { ...env, SLIPWAY_ENVIRONMENT: "staging" } };
    const place = join(base, "_by-name", "hello", "prod");
    for (const spec of [{ mount: "shared", env }, staging]) {
      expect(await prepareMount(base, spec)).toMatchObject({
        ok: false,
        error: {
          code: "bad_request",
          message: expect.stringContaining(`${join(base, "shared")} is from when`),
        },
      });
    }
    await mkdir(place, { recursive: true });
    await rename(join(base, "shared"), join(place, "shared"));
    expect(await prepareMount(base, { mount: "shared", env })).toEqual({
      ok: true,
      value: join(place, "shared"),
    });
    expect(await prepareMount(base, staging)).toEqual({
      ok: true,
      value: join(base, "_by-name", "hello", "staging", "shared"),
    });
  });

  test("hinders no other name, and no key", async () => {
    const base = await baseWith("shared");
    for (const mount of ["other", true])
      expect(await prepareMount(base, { mount, env })).toMatchObject({ ok: true });
  });
});
