import { isIP } from "node:net";
import { expect } from "vitest";
import { checkSpawnEnv, utf8Length } from "../../../../src/domain/backends/spawn-env.ts";
import { keyMaxCharacters, spawnEnvMaxBytes, spawnEnvMaxVariables } from "../../../../src/domain/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { type Case, readUntil, statusAt } from "./kit.ts";

/** Pulls, starts, stops and ends. */
export function lifeCases(test: Case): void {
  test("an image that there is, is pulled", async (bench) => {
    expect(await bench.runtime.pull(bench.spec("serve").image, never)).toMatchObject({ ok: true });
  });

  test("an image that there is not, is not found by a pull", async (bench) => {
    expect(await bench.runtime.pull(bench.spec("missing").image, never)).toMatchObject({
      ok: false,
      error: { code: "image_not_found" },
    });
  });

  test("a start of an image that there is not fails, and leaves nothing", async (bench) => {
    const spec = bench.spec("missing");
    expect(await bench.runtime.start(spec)).toMatchObject({ ok: false, error: { code: "image_not_found" } });
    expect(await bench.runtime.list()).toEqual([]);
    expect(await bench.runtime.start({ ...bench.spec("serve"), backendId: spec.backendId })).toMatchObject({
      ok: true,
    });
  });

  test("a start of an image that cannot run fails in words, and leaves nothing", async (bench) => {
    const spec = bench.spec("unstartable");
    const result = await bench.runtime.start(spec);
    expect(result).toMatchObject({ ok: false, error: { message: expect.stringMatching(/\w+ \w+/) } });
    expect(await bench.runtime.list()).toEqual([]);
    expect(await collect(bench.runtime.logs(spec.backendId, never))).toEqual([]);
  });

  test("a started backend answers HTTP at its address, an IP address and a port", async (bench) => {
    const { address } = await bench.start("serve");
    expect(isIP(address.host)).not.toBe(0);
    expect(address.port).toBeGreaterThan(0);
    await eventually(() => statusAt(address)).toBe(200);
  });

  test("a backend sees PORT and its environment exactly", async (bench) => {
    const env = {
      GREETING: 'it\'s $HOME "and" `more` \\n',
      "dotted.name-": "held",
      PWD: "/nowhere",
      EMPTY: "",
    };
    const { id } = await bench.start("env", env);
    const lines = await collect(bench.runtime.logs(id, never));
    expect(lines).toEqual(
      expect.arrayContaining(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^PORT=\d+$/));
    expect(lines.filter((line) => line.startsWith("PWD="))).toEqual(["PWD=/nowhere"]);
  });

  test("a backend gets the longest environment and carries the longest key that a spawn may have", async (bench) => {
    const each = spawnEnvMaxBytes / spawnEnvMaxVariables;
    const env = Object.fromEntries(
      Array.from({ length: spawnEnvMaxVariables }, (_, i) => {
        const name = `LONG \u{1f4a1} ${i}`;
        return [name, "x".repeat(each - utf8Length(name))];
      }),
    );
    expect(checkSpawnEnv(env).ok).toBe(true);
    const labels = { key: "\u{1f4a1}".repeat(keyMaxCharacters) };
    const spec = bench.spec("env", { env: { ...env, SESSION_BACKEND_KEY: labels.key }, labels });
    expect(await bench.runtime.start(spec)).toMatchObject({ ok: true });
    expect(await bench.place.labelsOf(spec.backendId)).toMatchObject(labels);
    expect(await collect(bench.runtime.logs(spec.backendId, never))).toEqual(
      expect.arrayContaining(Object.entries(spec.env).map(([name, value]) => `${name}=${value}`)),
    );
  });

  test("a backend carries its labels", async (bench) => {
    const labels = { account: "acme", key: 'doc 1/"é"', fencing_token: "7" };
    const spec = bench.spec("serve", { labels });
    expect(await bench.runtime.start(spec)).toMatchObject({ ok: true });
    expect(await bench.place.labelsOf(spec.backendId)).toMatchObject(labels);
  });

  test("a backend that ends by itself has the exit code that it gave", async (bench) => {
    const zero = await bench.start("exit", { CODE: "0" });
    const three = await bench.start("exit", { CODE: "3" });
    expect(await Promise.all([zero.exited, three.exited])).toEqual([0, 3]);
  });

  test("a soft stop is a SIGTERM: 143", async (bench) => {
    const { id, exited } = await bench.startUntil("serving", "serve");
    await bench.runtime.stop(id, "soft");
    expect(await exited).toBe(143);
  });

  test("a soft stop right after the start reaches the backend", async (bench) => {
    const { id, exited } = await bench.start("serve");
    await bench.runtime.stop(id, "soft");
    expect(await exited).toBe(143);
  });

  test("a hard stop is a SIGKILL: 137", async (bench) => {
    const { id, exited } = await bench.startUntil("serving", "serve");
    await bench.runtime.stop(id, "hard");
    expect(await exited).toBe(137);
  });

  test("a backend that handles a soft stop ends in its own way", async (bench) => {
    const { id, exited } = await bench.startUntil("ready", "handle-sigterm");
    await bench.runtime.stop(id, "soft");
    expect(await exited).toBe(5);
    expect(await collect(bench.runtime.logs(id, never))).toEqual(["ready", "ending"]);
  });

  test("no backend handles a hard stop", async (bench) => {
    const { id, exited } = await bench.startUntil("ready", "handle-sigterm");
    await bench.runtime.stop(id, "hard");
    expect(await exited).toBe(137);
    expect(await collect(bench.runtime.logs(id, never))).toEqual(["ready"]);
  });

  test("a backend that ignores soft stops runs until a hard one", async (bench) => {
    const { id, exited } = await bench.startUntil("ready", "ignore-sigterm");
    await bench.runtime.stop(id, "soft");
    await readUntil(bench.runtime, id, "not yet");
    await bench.runtime.stop(id, "hard");
    expect(await exited).toBe(137);
  });

  test("a stop or removal of a backend that was never there is harmless", async (bench) => {
    const { backendId } = bench.spec("serve");
    await bench.runtime.stop(backendId, "soft");
    await bench.runtime.stop(backendId, "hard");
    await bench.runtime.remove(backendId);
    expect(await bench.runtime.list()).toEqual([]);
  });

  test("a stop of an ended backend changes nothing, and its removal may be repeated", async (bench) => {
    const { id, exited } = await bench.start("exit", { CODE: "3" });
    await exited;
    await bench.runtime.stop(id, "soft");
    await bench.runtime.stop(id, "hard");
    const [ended] = await bench.runtime.list();
    expect(await ended?.exited).toBe(3);
    await bench.runtime.remove(id);
    await bench.runtime.remove(id);
    await bench.runtime.stop(id, "hard");
    expect(await bench.runtime.list()).toEqual([]);
  });

  for (const [kind, code] of [
    ["soft", 6],
    ["hard", 137],
  ] as const) {
    test(`nothing of a backend runs on after a ${kind} stop, its descendants included`, async (bench) => {
      const { id, address, exited } = await bench.startUntil("serving", "descendant");
      await eventually(() => statusAt(address)).toBe(200);
      await bench.runtime.stop(id, kind);
      expect(await exited).toBe(code);
      expect(await statusAt(address)).toBeNull();
    });
  }

  test("two backends at once do not mix", async (bench) => {
    const [one, other] = await Promise.all([
      bench.startUntil("serving", "serve"),
      bench.startUntil("ready", "handle-sigterm"),
    ]);
    expect(one.address).not.toEqual(other.address);
    await eventually(() => statusAt(one.address)).toBe(200);
    await bench.runtime.stop(other.id, "soft");
    expect(await other.exited).toBe(5);
    await bench.runtime.remove(other.id);
    expect(await statusAt(one.address)).toBe(200);
    await bench.runtime.stop(one.id, "hard");
    await one.exited;
    expect(await collect(bench.runtime.logs(one.id, never))).toEqual(["serving"]);
  });

  test("what a backend does to its image's files, no other of that image sees, beside it or later", async (bench) => {
    const seen = async () => {
      const { id, exited } = await bench.start("mark");
      return { id, exited, lines: await readUntil(bench.runtime, id, "marked") };
    };
    const first = await seen();
    expect(first.lines.slice(0, -1)).toEqual([expect.stringMatching(/^\w.* 1$/)]);
    expect((await seen()).lines).toEqual(first.lines);
    await bench.runtime.stop(first.id, "hard");
    await first.exited;
    await bench.runtime.remove(first.id);
    expect((await seen()).lines).toEqual(first.lines);
  });
}
