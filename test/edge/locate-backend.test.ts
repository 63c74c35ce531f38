import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import { serviceCodesCachedMs } from "../../src/domain/limits.ts";
import { locateBackend, newServiceCodes } from "../../src/edge/locate-backend.ts";
import { directoryStub } from "../../src/objects/stubs.ts";
import { freezeClock } from "../support/worker/clock.ts";

test("a code that was freed and is another service's leads to that one, after the time for which it is cached", async () => {
  freezeClock();
  const code = "q7k3m";
  const id = `${code}00000000`;
  const directory = directoryStub(env, code);
  const codes = newServiceCodes();
  const before = { account: "acme", service: "before", location: "auto" } as const;
  const after = { account: "other", service: "after", location: "weur" } as const;
  expect(await directory.claim(code, before)).toBe(true);
  expect(await locateBackend(env, id, codes)).toMatchObject({ value: { service: "before" } });
  await directory.release(code, "acme", "another");
  expect(await directory.claim(code, after)).toBe(false);
  await directory.release(code, "acme", "before");
  expect(await directory.claim(code, after)).toBe(true);
  vi.setSystemTime(Date.now() + serviceCodesCachedMs - 1);
  expect(await locateBackend(env, id, codes)).toMatchObject({ value: { service: "before" } });
  vi.setSystemTime(Date.now() + 1);
  const found = await locateBackend(env, id, codes);
  expect(found).toEqual({ ok: true, value: { id, ...after } });
});
