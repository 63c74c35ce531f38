import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { loginStub } from "../../../src/objects/stubs.ts";
import { alarmOf, evict, passTime } from "../../support/worker/clock.ts";
import { clockTest as test } from "../../support/worker/worker-test.ts";
import { code, value } from "../support/service.ts";

const tenMinutes = 600_000;
let logins = 0;

function newLogin() {
  logins += 1;
  return loginStub(env, `login-${logins}`);
}

function ada() {
  return { account: "acme", tokenId: "tokenofada00", expiresAt: Date.now() + tenMinutes };
}

function wrongFor(code: string): string {
  return code === "0000" ? "1111" : "0000";
}

function tablesOf(stub: DurableObjectStub): Promise<unknown[]> {
  return runInDurableObject(stub, (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
  );
}

describe("a login that nobody has confirmed", () => {
  test("keeps nothing, whatever is requested of it", async () => {
    const login = newLogin();
    expect(code(await login.complete("0000"))).toBe("login_not_found");
    expect(await login.waitConfirmed(1)).toBe(false);
    expect(code(await login.confirm({ ...ada(), expiresAt: Date.now() }))).toBe("login_not_found");
    expect(await tablesOf(login)).toEqual([]);
    expect(await alarmOf(login)).toBeNull();
  });

  test("lets those who wait know as soon as somebody confirms it", async () => {
    const login = newLogin();
    const waiting = [login.waitConfirmed(60_000), login.waitConfirmed(60_000)];
    value(await login.confirm(ada()));
    expect(await Promise.all(waiting)).toEqual([true, true]);
  });
});

describe("a confirmed login", () => {
  test("shows the person the same code again, also after the object was out of memory", async () => {
    const login = newLogin();
    const shown = value(await login.confirm(ada()));
    expect(shown.code).toMatch(/^\d{4}$/);
    await evict(login);
    expect(value(await login.confirm(ada()))).toEqual(shown);
    expect(code(await login.confirm({ ...ada(), tokenId: "tokenofeve00" }))).toBe("login_taken");
  });

  test("is reported at once to those who come later", async () => {
    const login = newLogin();
    value(await login.confirm(ada()));
    await evict(login);
    expect(await login.waitConfirmed(60_000)).toBe(true);
  });

  test("is completed by its code, once, also by two who try at once", async () => {
    const login = newLogin();
    const shown = value(await login.confirm(ada()));
    const both = await Promise.all([login.complete(shown.code), login.complete(shown.code)]);
    expect(both.map((result) => (result.ok ? result.value : result.error.code))).toEqual([
      { account: "acme", tokenId: "tokenofada00" },
      "login_not_found",
    ]);
    expect(code(await login.confirm(ada()))).toBe("login_not_found");
  });

  test("ends with the fifth wrong code, of which none is forgotten while it is out of memory", async () => {
    const login = newLogin();
    const shown = value(await login.confirm(ada()));
    for (const left of [4, 3, 2, 1, 0]) {
      const tried = await login.complete(wrongFor(shown.code));
      expect(tried).toMatchObject({ ok: false, error: { code: "forbidden", details: { tries_left: left } } });
      await evict(login);
    }
    expect(code(await login.complete(shown.code))).toBe("login_not_found");
    expect(code(await login.confirm(ada()))).toBe("login_not_found");
  });

  test("counts every one of several wrong codes that come at once", async () => {
    const login = newLogin();
    const shown = value(await login.confirm(ada()));
    const tries = await Promise.all(Array.from({ length: 8 }, () => login.complete(wrongFor(shown.code))));
    expect(tries.map(code)).toEqual([
      ...Array.from({ length: 5 }, () => "forbidden"),
      ...Array.from({ length: 3 }, () => "login_not_found"),
    ]);
  });

  test("cannot be completed from the millisecond of its end on, and then leaves nothing", async () => {
    const login = newLogin();
    const shown = value(await login.confirm(ada()));
    vi.setSystemTime(Date.now() + tenMinutes);
    expect(code(await login.complete(shown.code))).toBe("login_not_found");
    expect(await passTime(login, 0)).toBe(true);
    expect(await tablesOf(login)).toEqual([]);
    expect(code(await login.complete(shown.code))).toBe("login_not_found");
    expect(await tablesOf(login)).toEqual([]);
  });

  test("that is over keeps that it was, until its token is of no use any more", async () => {
    const login = newLogin();
    const person = ada();
    value(await login.complete(value(await login.confirm(person)).code));
    expect(await passTime(login, tenMinutes - 1)).toBe(true);
    expect(code(await login.confirm(person))).toBe("login_not_found");
    expect(await passTime(login, 1)).toBe(true);
    expect(await tablesOf(login)).toEqual([]);
  });
});
