import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { cliLoginsPerTokenMax, loginWaitsAtOnce } from "../../../src/domain/limits.ts";
import { loginStub } from "../../../src/objects/stubs.ts";
import { alarmOf, evict, passTime } from "../../support/worker/clock.ts";
import { clockTest as test } from "../../support/worker/worker-test.ts";
import { code, value } from "../support/service.ts";

const tenMinutes = 600_000;
let logins = 0;

/** A login in an object of its own. */
function newLogin() {
  logins += 1;
  const id = `${String.fromCharCode(96 + logins)}-login`;
  return { id, stub: loginStub(env, id) };
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
    const { id, stub } = newLogin();
    expect(code(await stub.complete(id, "0000"))).toBe("login_not_found");
    expect(await stub.waitConfirmed(id, 1)).toBe(false);
    expect(code(await stub.confirm(id, { ...ada(), expiresAt: Date.now() }))).toBe("login_not_found");
    expect(await tablesOf(stub)).toEqual([]);
    expect(await alarmOf(stub)).toBeNull();
  });

  test("lets those who wait know as soon as somebody confirms it", async () => {
    const { id, stub } = newLogin();
    const waiting = [stub.waitConfirmed(id, 60_000), stub.waitConfirmed(id, 60_000)];
    value(await stub.confirm(id, ada()));
    expect(await Promise.all(waiting)).toEqual([true, true]);
  });
});

describe("the logins of one object", () => {
  test("know nothing of each other", async () => {
    const { id, stub } = newLogin();
    const other = `${id}-too`;
    const waiting = stub.waitConfirmed(other, 1);
    const shown = value(await stub.confirm(id, ada()));
    expect(await waiting).toBe(false);
    expect(code(await stub.complete(other, shown.code))).toBe("login_not_found");
    value(await stub.confirm(other, { ...ada(), tokenId: "tokenofeve00", expiresAt: Date.now() + 1 }));
    expect(await passTime(stub, 1)).toBe(true);
    value(await stub.complete(id, shown.code));
  });

  test("that one token has confirmed are so many at most, and no other's go for them", async () => {
    const { id, stub } = newLogin();
    const eve = { ...ada(), tokenId: "tokenofeve00" };
    const ofEve = value(await stub.confirm(`${id}-eve`, eve));
    const codes: string[] = [];
    for (let begun = 0; begun <= cliLoginsPerTokenMax; begun++) {
      const person = { ...ada(), expiresAt: Date.now() + tenMinutes + begun };
      codes.push(value(await stub.confirm(`${id}-${begun}`, person)).code);
    }
    const complete = async (begun: number) => stub.complete(`${id}-${begun}`, codes[begun] ?? "");
    expect(code(await complete(0))).toBe("login_not_found");
    for (const kept of [1, cliLoginsPerTokenMax]) value(await complete(kept));
    value(await stub.complete(`${id}-eve`, ofEve.code));
  });

  test("wait so many at a time, of which none keeps another from being reported", async () => {
    const { id, stub } = newLogin();
    const first = stub.waitConfirmed(id, 60_000);
    const strangers = Array.from({ length: loginWaitsAtOnce }, (_, n) =>
      stub.waitConfirmed(`${id}-${n}`, 2_000),
    );
    expect(await first).toBe(false);
    const again = stub.waitConfirmed(id, 60_000);
    expect(await strangers[0]).toBe(false);
    value(await stub.confirm(id, ada()));
    expect(await again).toBe(true);
    expect(new Set(await Promise.all(strangers))).toEqual(new Set([false]));
  });
});

describe("a confirmed login", () => {
  test("shows the person the same code again, also after the object was out of memory", async () => {
    const { id, stub } = newLogin();
    const shown = value(await stub.confirm(id, ada()));
    expect(shown.code).toMatch(/^\d{4}$/);
    await evict(stub);
    expect(value(await stub.confirm(id, ada()))).toEqual(shown);
    expect(code(await stub.confirm(id, { ...ada(), tokenId: "tokenofeve00" }))).toBe("login_taken");
  });

  test("is reported at once to those who come later", async () => {
    const { id, stub } = newLogin();
    value(await stub.confirm(id, ada()));
    await evict(stub);
    expect(await stub.waitConfirmed(id, 60_000)).toBe(true);
  });

  test("is completed by its code, once, also by two who try at once", async () => {
    const { id, stub } = newLogin();
    const shown = value(await stub.confirm(id, ada()));
    const both = await Promise.all([stub.complete(id, shown.code), stub.complete(id, shown.code)]);
    expect(both.map((result) => (result.ok ? result.value : result.error.code))).toEqual([
      { account: "acme", tokenId: "tokenofada00" },
      "login_not_found",
    ]);
    expect(code(await stub.confirm(id, ada()))).toBe("login_not_found");
  });

  test("ends with the fifth wrong code, of which none is forgotten while it is out of memory", async () => {
    const { id, stub } = newLogin();
    const shown = value(await stub.confirm(id, ada()));
    for (const left of [4, 3, 2, 1, 0]) {
      const tried = await stub.complete(id, wrongFor(shown.code));
      expect(tried).toMatchObject({ ok: false, error: { code: "forbidden", details: { tries_left: left } } });
      await evict(stub);
    }
    expect(code(await stub.complete(id, shown.code))).toBe("login_not_found");
    expect(code(await stub.confirm(id, ada()))).toBe("login_not_found");
  });

  test("counts every one of several wrong codes that come at once", async () => {
    const { id, stub } = newLogin();
    const shown = value(await stub.confirm(id, ada()));
    const tries = await Promise.all(Array.from({ length: 8 }, () => stub.complete(id, wrongFor(shown.code))));
    expect(tries.map(code)).toEqual([
      ...Array.from({ length: 5 }, () => "forbidden"),
      ...Array.from({ length: 3 }, () => "login_not_found"),
    ]);
  });

  test("cannot be completed from the millisecond of its end on, and then leaves nothing", async () => {
    const { id, stub } = newLogin();
    const shown = value(await stub.confirm(id, ada()));
    vi.setSystemTime(Date.now() + tenMinutes);
    expect(code(await stub.complete(id, shown.code))).toBe("login_not_found");
    expect(await passTime(stub, 0)).toBe(true);
    expect(await tablesOf(stub)).toEqual([]);
    expect(code(await stub.complete(id, shown.code))).toBe("login_not_found");
    expect(await tablesOf(stub)).toEqual([]);
  });

  test("that is over keeps that it was, until its token is of no use any more", async () => {
    const { id, stub } = newLogin();
    const person = ada();
    value(await stub.complete(id, value(await stub.confirm(id, person)).code));
    expect(await passTime(stub, tenMinutes - 1)).toBe(true);
    expect(code(await stub.confirm(id, person))).toBe("login_not_found");
    expect(await passTime(stub, 1)).toBe(true);
    expect(await tablesOf(stub)).toEqual([]);
  });
});
