import { describe, expect, test } from "vitest";
import { mountFolder } from "../../../../src/agent/runtimes/docker/mount.ts";

const env = {
  JAMSOCKET_SERVICE: "hello",
  SLIPWAY_ENVIRONMENT: "prod",
  SESSION_BACKEND_KEY: "doc-123",
};

describe("the folder of a mount", () => {
  test.for([undefined, false])("is none where none is requested: %s", (mount) => {
    expect(mountFolder({ mount, env })).toEqual({ ok: true, value: null });
  });

  test("has the name that is requested", () => {
    expect(mountFolder({ mount: "Shared_1.data", env })).toEqual({ ok: true, value: ["Shared_1.data"] });
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
      expect(mountFolder({ mount: true, env: { ...env, ...changes } })).toMatchObject({ ok: false });
    }
  });
});
