import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { DurableObject, env } from "cloudflare:workers";
import { vi } from "vitest";
import { Account } from "../../../src/objects/account/account.ts";
import { Backends } from "../../../src/objects/backends/backends.ts";
import { Cluster } from "../../../src/objects/cluster/cluster.ts";
import { Directory } from "../../../src/objects/directory/directory.ts";
import { Registry } from "../../../src/objects/registry/registry.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { abort } from "../../support/worker/clock.ts";

const classes = { Account, Backends, Cluster, Directory, Registry, Service };
type ClassName = keyof typeof classes;

/** An alarm has no caller who would miss its answer, and the platform's own calls are none between objects. */
const notCalled = new Set(["constructor", "alarm", "webSocketClose", "webSocketError"]);

/** At which call the process is killed, counted from 1: before the call arrives, or before its answer does. */
export interface Cut {
  call: number;
  at: "before" | "after";
}

/** A class's prototype, and those that it extends, but the platform's. */
function ownPrototypes(prototype: object): object[] {
  const base = Reflect.getPrototypeOf(prototype);
  return base === null || base === DurableObject.prototype
    ? [prototype]
    : [prototype, ...ownPrototypes(base)];
}

/** Longer than any test: what was cut stands still until its object is killed. */
const standsStillMs = 600_000;

/**
 * Kills every object at one of the calls between them, or to a cluster, as the end of their process would: what was
 * committed is kept, and all else is gone. What an object writes between two calls is committed as one, so that these are
 * all the states that a kill can leave behind.
 */
export class Cuts {
  /** What was called since `arm`: `Service.statusReached`, or `webhook`. */
  readonly calls: string[] = [];
  #cut: Cut | null = null;
  #isReached = false;
  /** The id of the object that was called where it was cut; null where that was a cluster. */
  #cutAt: string | null = null;
  #underWay = new Set<object>();
  readonly #seen = new Map<string, { className: ClassName; id: DurableObjectId }>();
  readonly #restores: (() => void)[] = [];

  constructor() {
    for (const className of Object.keys(classes)) if (isClassName(className)) this.#watch(className);
    const send = globalThis.fetch;
    globalThis.fetch = (input, init) => this.#called("webhook", null, () => send(input, init));
    this.#restores.push(() => {
      globalThis.fetch = send;
    });
  }

  /** Takes back what watches the calls. */
  restore(): void {
    for (const restore of this.#restores) restore();
  }

  /** Counts calls anew, and kills at `cut`. */
  arm(cut: Cut | null): void {
    this.calls.length = 0;
    this.#cut = cut;
    this.#isReached = false;
  }

  /** Lets time pass, and everything happen that falls due in it. */
  async settle(withinMs: number): Promise<void> {
    await this.#settle(Date.now() + withinMs);
  }

  /**
   * Runs a story, and then lets time pass and everything happen that falls due in it.
   * @returns whether the story was acknowledged; it may have been cut after that too
   */
  async run(story: () => Promise<unknown>, withinMs: number): Promise<{ isAcknowledged: boolean }> {
    const told = story();
    await this.#unlessCut(told);
    const isAcknowledged = !this.#isReached;
    const until = Date.now() + withinMs;
    await this.#settle(until);
    if (this.#isReached) {
      await this.#kill();
      told.catch(() => null);
      await this.#settle(until);
    }
    return { isAcknowledged };
  }

  async #settle(until: number): Promise<void> {
    for (;;) {
      await this.#idle();
      const next = await this.#nextAlarm();
      if (this.#isReached || next === null || next.at > until) break;
      vi.setSystemTime(Math.max(Date.now(), next.at));
      const rung = runDurableObjectAlarm(this.#stub(next));
      if (await this.#unlessCut(rung)) continue;
      rung.catch(() => null);
      // The platform rings an alarm again that did not end.
      this.#rungInVain = next;
      return;
    }
    if (!this.#isReached) vi.setSystemTime(until);
  }

  #rungInVain: { className: ClassName; id: DurableObjectId } | null = null;

  async #kill(): Promise<void> {
    for (const object of this.#seen.values()) {
      await runInDurableObject(this.#stub(object), (_, { storage }) => storage.sync());
    }
    // Last the one whose answer was awaited: nobody lives to see that it does not come.
    const isAwaited = ({ id }: { id: DurableObjectId }) => id.toString() === this.#cutAt;
    for (const object of [...this.#seen.values()].sort(
      (a, b) => Number(isAwaited(a)) - Number(isAwaited(b)),
    )) {
      await abort(this.#stub(object));
    }
    this.arm(null);
    this.#underWay = new Set();
    const again = this.#rungInVain;
    this.#rungInVain = null;
    if (again) {
      await runInDurableObject(this.#stub(again), (_, { storage }) => storage.setAlarm(Date.now()));
    }
  }

  #watch(className: ClassName): void {
    const called = (object: object, method: string, go: () => Promise<unknown>) => {
      const { id }: DurableObjectState = Reflect.get(object, "ctx");
      this.#seen.set(id.toString(), { className, id });
      return this.#called(`${className}.${method}`, id.toString(), go);
    };
    for (const prototype of ownPrototypes(classes[className].prototype)) {
      for (const method of Object.getOwnPropertyNames(prototype)) {
        const original = Reflect.get(prototype, method);
        if (notCalled.has(method) || typeof original !== "function") continue;
        Reflect.set(prototype, method, function (this: object, ...params: unknown[]) {
          return called(this, method, () => Reflect.apply(original, this, params));
        });
        this.#restores.push(() => Reflect.set(prototype, method, original));
      }
    }
  }

  async #called<T>(call: string, calledId: string | null, go: () => Promise<T>): Promise<T> {
    this.calls.push(call);
    const number = this.calls.length;
    const isCut = (at: Cut["at"]) => this.#cut?.call === number && this.#cut.at === at;
    const underWay = this.#underWay;
    const mark = {};
    underWay.add(mark);
    try {
      if (isCut("before")) return await this.#stop(calledId);
      const answer = await go();
      return isCut("after") ? await this.#stop(calledId) : answer;
    } finally {
      underWay.delete(mark);
    }
  }

  #stop(calledId: string | null): Promise<never> {
    this.#isReached = true;
    this.#cutAt = calledId;
    return new Promise((_, reject) => {
      setTimeout(() => reject(new Error("what was cut was not killed")), standsStillMs);
    });
  }

  /** @returns whether the work came to its end */
  async #unlessCut(work: Promise<unknown>): Promise<boolean> {
    let hasEnded = false;
    const end = work.then(
      () => {
        hasEnded = true;
      },
      () => {
        hasEnded = true;
      },
    );
    while (!hasEnded && !this.#isReached) await Promise.race([end, turn()]);
    if (!this.#isReached) await work;
    return !this.#isReached;
  }

  /** Waits until no call is under way, and none begins. */
  async #idle(): Promise<void> {
    for (let quiet = 0; quiet < 3 && !this.#isReached; quiet++) {
      await turn();
      if (this.#underWay.size > 0) quiet = 0;
    }
  }

  async #nextAlarm(): Promise<{ at: number; className: ClassName; id: DurableObjectId } | null> {
    const alarms = await Promise.all(
      [...this.#seen.values()].map(async (object) => {
        const at = await runInDurableObject(this.#stub(object), (_, { storage }) => storage.getAlarm());
        return at === null ? [] : [{ at, ...object }];
      }),
    );
    return alarms.flat().sort((a, b) => a.at - b.at)[0] ?? null;
  }

  /** A new one each time: one that has seen its object die is of no more use. */
  #stub({ className, id }: { className: ClassName; id: DurableObjectId }): DurableObjectStub {
    switch (className) {
      case "Account":
        return env.ACCOUNT.get(id);
      case "Backends":
        return env.BACKENDS.get(id);
      case "Cluster":
        return env.CLUSTER.get(id);
      case "Directory":
        return env.DIRECTORY.get(id);
      case "Registry":
        return env.REGISTRY.get(id);
      case "Service":
        return env.SERVICE.get(id);
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function isClassName(name: string): name is ClassName {
  return Object.hasOwn(classes, name);
}
