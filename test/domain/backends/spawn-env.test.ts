import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkSpawnEnv, utf8Length } from "../../../src/domain/backends/spawn-env.ts";
import { spawnEnvMaxBytes, spawnEnvMaxJsonBytes } from "../../../src/domain/limits.ts";

describe("the environment variables of a spawn", () => {
  test("are refused as a bad request where they are too long as JSON, which writes a quote in two bytes", () => {
    const fits = (quotes: number, characters: number) =>
      checkSpawnEnv({ A: '"'.repeat(quotes) + "x".repeat(characters) });
    const wrapping = '{"A":""}'.length;
    const quotes = spawnEnvMaxJsonBytes - spawnEnvMaxBytes;
    const rest = spawnEnvMaxJsonBytes - 2 * quotes - wrapping;
    expect(fits(quotes, rest).ok).toBe(true);
    expect(fits(quotes, rest + 1)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });

  test.for([
    "FOO",
    "foo",
    "_",
    "PORTAL",
    "MY_PORT",
    "port",
    "SESSION_BACKEND",
    "SESSION",
    "JAMSOCKET",
    "MY_JAMSOCKET_X",
    "SLIPWAY",
    "with space",
    "ünïcode",
    "a.b",
  ])("`%s` may be set", (name) => {
    expect(checkSpawnEnv({ [name]: "value" })).toEqual({ ok: true, value: null });
  });

  test.for([
    "PORT",
    "SESSION_BACKEND_ID",
    "SESSION_BACKEND_",
    "SESSION_BACKEND_FENCING_TOKEN",
    "JAMSOCKET_SERVICE",
    "JAMSOCKET_",
    "SLIPWAY_TOKEN",
    "SLIPWAY_",
  ])("`%s` is reserved", (name) => {
    const checked = checkSpawnEnv({ [name]: "value" });
    expect(checked).toMatchObject({ ok: false, error: { code: "bad_request" } });
    expect(checked.ok ? "" : checked.error.message).toContain("is reserved");
  });

  test.for([
    ["an empty name", { "": "x" }],
    ["a name with =", { "A=B": "x" }],
    ["a name with a NUL", { "A\0": "x" }],
    ["a value with a NUL", { A: "x\0y" }],
  ] as const)("%s is refused", ([, env]) => {
    expect(checkSpawnEnv(env)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });

  test.for(["", "a=b", "two\nlines", "💡"])("the value %j is allowed", (value) => {
    expect(checkSpawnEnv({ A: value }).ok).toBe(true);
  });

  test.for([
    [0, true],
    [64, true],
    [65, false],
  ] as const)("%i variables are allowed: %s", ([count, allowed]) => {
    const env = Object.fromEntries(Array.from({ length: count }, (_, i) => [`V${i}`, ""]));
    expect(checkSpawnEnv(env).ok).toBe(allowed);
  });

  test.for([
    ["exactly 32 KiB of names and values", "x".repeat(32 * 1024 - 1), true],
    ["a byte more than 32 KiB", "x".repeat(32 * 1024), false],
    ["fewer than 32 Ki characters that are more bytes", "é".repeat(16 * 1024), false],
  ] as const)("%s", ([, value, allowed]) => {
    expect(checkSpawnEnv({ A: value }).ok).toBe(allowed);
  });
});

test("the length in UTF-8 is what an encoder gives, for ill-formed text too", () => {
  const encoder = new TextEncoder();
  const anyText = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(anyText, (text) => {
      expect(utf8Length(text)).toBe(encoder.encode(text).length);
    }),
  );
});

test.for([0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff])(
  "the character %i has as many bytes as its UTF-8",
  (point) => {
    const text = String.fromCodePoint(point);
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
  },
);

test("every refusal is the caller's mistake, and shows no more of a name than people can read", () => {
  const longest = "x".repeat(200);
  const refused = [
    { [`${longest}=`]: "" },
    { [`${longest}\ud800`]: "" },
    { [`SLIPWAY_${longest}`]: "" },
    { A: "x".repeat(40_000) },
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`A${i}`, ""])),
  ].map((env) => checkSpawnEnv(env));
  for (const result of refused) {
    if (result.ok) throw new Error("it was accepted");
    expect(result.error.code).toBe("bad_request");
    expect(result.error.message).not.toContain("x".repeat(101));
  }
});
