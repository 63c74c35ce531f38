import { describe, expect } from "vitest";
import type { Result } from "../../../../src/domain/result.ts";
import type { Caller, Outcome } from "../../../../src/objects/contract.ts";
import type { EnvironmentSettingsBody } from "../../../../src/protocol/v3/services.ts";
import { test } from "../../support/object-test.ts";
import { digestNumber, type Hello, registryHost, value } from "../../support/service.ts";
import { admin, as, deployer } from "./fixture.ts";

/*
 * Every path on which what an environment resolves to, or may, is changed, times everything that protects it: a path that forgot one
 * would be the hole. A new path or protection does not compile until it stands here.
 */

/** `prod` follows `main`, which stands on image 1; image 2 is `v2`, and what `staging` resolves to. */
async function setUpProd(hello: Hello): Promise<void> {
  const second = { name: "second", webhook_url: "https://cluster.test/hook" };
  const secret = { id: "secondagent0", secretHash: "of second" };
  value(await hello.accountObject.createCluster(second, secret, hello.signingSecret, admin));
  await hello.push(1, "main");
  await hello.push(2, "v2");
  const service = hello.service();
  value(await service.createEnvironment({ name: "staging", image: "v2" }, admin));
  value(await service.createEnvironment({ name: "prod", image: "v2" }, admin));
  value(await service.pin("prod", { image: "main" }, admin));
  value(await service.createEnvironment({ name: "elsewhere", image: "v2" }, admin));
}

const everyDay = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

/** What keeps a change away, and how it is put up. */
const protections = {
  changers: { settings: { changers: { tokens: ["nobody"] } } },
  require_digest: { settings: { require_digest: true } },
  stop: { stop: true },
  windows: {
    settings: {
      windows: [{ effect: "deny", days: [...everyDay], from: "00:00", to: "24:00", time_zone: "UTC" }],
    },
  },
  gates: { settings: { gates: { checks: ["never posted"] } } },
  rejection: { rejects: true },
  approvals: { settings: { approvals: 1 } },
} as const satisfies Record<string, { settings?: EnvironmentSettingsBody; stop?: true; rejects?: true }>;
type ProtectionName = keyof typeof protections;

/** What a refused path answers; `held`: a push succeeds, and what it would have moved stays. `waits`: a change is opened. */
type Refusal =
  | "forbidden"
  | "digest_required"
  | "environment_stopped"
  | "environment_frozen"
  | "gate_not_met"
  | "digest_rejected"
  | "waits"
  | "held";

const byAnything: Readonly<Record<ProtectionName, Refusal | null>> = {
  changers: "forbidden",
  require_digest: null,
  stop: "environment_stopped",
  windows: "environment_frozen",
  gates: "gate_not_met",
  rejection: "digest_rejected",
  approvals: "waits",
};
const nothing: Readonly<Record<ProtectionName, Refusal | null>> = {
  changers: null,
  require_digest: null,
  stop: null,
  windows: null,
  gates: null,
  rejection: null,
  approvals: null,
};

interface Path {
  act(hello: Hello, caller: Caller): Promise<Result<unknown>>;
  /** By what it is refused to somebody who deploys, and how. */
  refused: Readonly<Record<ProtectionName, Refusal | null>>;
  /** It is an admin's: what a protected environment allows nobody else. */
  isAdmins?: true;
}

const move =
  (request: Parameters<ReturnType<Hello["service"]>["move"]>[1]): Path["act"] =>
  (hello, caller) =>
    hello.service().move("prod", request, caller);
const patch =
  (body: Parameters<ReturnType<Hello["service"]>["patchEnvironment"]>[1]): Path["act"] =>
  (hello, caller) =>
    hello.service().patchEnvironment("prod", body, caller);

/** A digest that comes in; 2 is what is rejected where that is the protection. */
const paths: Readonly<Record<string, Path>> = {
  "a pin to a digest": { act: move({ kind: "pin", image: digestNumber(2) }), refused: byAnything },
  "a pin to a tag": {
    act: move({ kind: "pin", image: "v2" }),
    refused: { ...byAnything, require_digest: "digest_required" },
  },
  "a pin of the Jamsocket API": {
    act: (hello, caller) => hello.service().pin("prod", { image: "v2" }, caller),
    refused: { ...byAnything, require_digest: "digest_required" },
  },
  "a promotion": { act: move({ kind: "promote", from: "staging" }), refused: byAnything },
  "a rollback to what never became ready here": {
    act: move({ kind: "rollback", to: 1 }),
    refused: byAnything,
  },
  "following a tag": {
    act: move({ kind: "follow", tag: "v2" }),
    // What the tag stands on waits, where it is held back; the tag is followed all the same.
    refused: { ...byAnything, require_digest: "digest_required", gates: "held", rejection: "held" },
  },
  "a push to the tag that it follows": {
    act: (hello, caller) => hello.service().recordImage({ digest: digestNumber(2), tag: "main" }, caller),
    refused: {
      changers: "held",
      require_digest: "held",
      stop: "held",
      windows: "held",
      gates: "held",
      rejection: "held",
      approvals: "held",
    },
  },
  "a push of which the registry does not know whose it is": {
    act: (hello) =>
      hello
        .service()
        .recordImage(
          { digest: digestNumber(2), tag: "main" },
          { origin: "registry", actor: null, registryHost },
        ),
    refused: {
      changers: "held",
      require_digest: "held",
      stop: "held",
      windows: "held",
      gates: "held",
      rejection: "held",
      approvals: "held",
    },
  },
  "a move to another cluster": {
    act: patch({ cluster: "second" }),
    refused: { ...byAnything, gates: null, rejection: null },
    isAdmins: true,
  },
  "settings that keep nothing away": { act: patch({ settings: { max_idle_seconds: 7 } }), refused: nothing },
  "its deletion": {
    act: (hello, caller) => hello.service().deleteEnvironment("prod", caller),
    refused: { ...byAnything, changers: null, gates: null, rejection: null },
    isAdmins: true,
  },
};

const prodNow = async (hello: Hello) => {
  const found = await hello.service().getEnvironment("prod");
  return found.ok ? JSON.stringify({ ...found.value, live_backends: 0 }) : "gone";
};

async function protect(hello: Hello, name: ProtectionName): Promise<void> {
  const how: { settings?: EnvironmentSettingsBody; stop?: true; rejects?: true } = protections[name];
  const service = hello.service();
  if (how.settings) value(await service.patchEnvironment("prod", { settings: how.settings }, admin));
  if (how.stop) value(await service.stop("prod", "an incident", admin));
  if (how.rejects) {
    // Forward and back: image 2 is what it was rolled back from.
    value(await service.move("prod", { kind: "pin", image: digestNumber(2) }, admin));
    value(await service.move("prod", { kind: "rollback" }, admin));
    value(await service.move("prod", { kind: "follow", tag: "main" }, admin));
  }
}

const cases = Object.entries(paths).flatMap(([path, { act, refused, isAdmins }]) =>
  (Object.keys(protections) as ProtectionName[]).map((protection) => ({
    path,
    act,
    protection,
    refusal: refused[protection],
    isAdmins: isAdmins === true,
  })),
);

function outcomeOf(result: Result<unknown>): string {
  if (!result.ok) return result.error.code;
  const isOutcome = (is: unknown): is is Outcome<unknown> =>
    typeof is === "object" && is !== null && ("done" in is || "change" in is);
  return isOutcome(result.value) && "change" in result.value ? "waits" : "done";
}

describe.for(Object.keys(paths))("%s", (path) => {
  const { act } = paths[path] ?? { act: () => Promise.reject(new Error("there is no such path")) };

  test("changes an environment that nothing protects", async ({ hello }) => {
    await setUpProd(hello);
    const before = await prodNow(hello);
    expect(outcomeOf(await act(hello, deployer))).toBe("done");
    expect(await prodNow(hello)).not.toBe(before);
  });

  test.for(cases.filter((each) => each.path === path))(
    "of one with $protection: $refusal",
    async ({ act, protection, refusal, isAdmins }, { hello }) => {
      await setUpProd(hello);
      await protect(hello, protection);
      const before = await prodNow(hello);
      const result = await act(hello, isAdmins ? admin : deployer);
      if (refusal === null) {
        expect(outcomeOf(result)).toBe("done");
        expect(await prodNow(hello)).not.toBe(before);
      } else if (refusal === "held") {
        expect(outcomeOf(result)).toBe("done");
        expect(value(await hello.service().getEnvironment("prod")).digest).toBe(digestNumber(1));
        expect(value(await hello.service().candidates("prod"))).toMatchObject([{ digest: digestNumber(2) }]);
      } else {
        const isOfOld = path === "a pin of the Jamsocket API" && refusal === "waits";
        expect(outcomeOf(result)).toBe(isOfOld ? "approval_required" : refusal);
        expect(await prodNow(hello)).toBe(before);
      }
    },
  );

  test.for(cases.filter((each) => each.path === path && each.isAdmins))(
    "of one with $protection is an admin's",
    async ({ act, protection }, { hello }) => {
      await setUpProd(hello);
      await protect(hello, protection);
      // A rejection protects from a digest, and not the environment.
      const expected = protection === "rejection" ? "done" : "forbidden";
      expect(outcomeOf(await act(hello, deployer))).toBe(expected);
    },
  );
});

describe("weakening a protection", () => {
  const removals: Record<Exclude<ProtectionName, "stop" | "rejection">, EnvironmentSettingsBody> = {
    changers: { changers: null },
    require_digest: { require_digest: false },
    windows: { windows: null },
    gates: { gates: null },
    approvals: { approvals: 0 },
  };
  const names = Object.keys(removals) as (keyof typeof removals)[];

  test.for(names)("of %s is an admin's", async (name, { hello }) => {
    await setUpProd(hello);
    await protect(hello, name);
    const before = await prodNow(hello);
    const body = { settings: removals[name] };
    expect(outcomeOf(await hello.service().patchEnvironment("prod", body, deployer))).toBe("forbidden");
    expect(await prodNow(hello)).toBe(before);
  });

  test.for(names)(
    "of %s waits for approval, and for the windows, and ends at a stop",
    async (name, { hello }) => {
      await setUpProd(hello);
      await protect(hello, name);
      const body = { settings: removals[name] };
      const weaken = async (by: Caller = admin) =>
        outcomeOf(await hello.service().patchEnvironment("prod", body, by));
      if (name === "windows") {
        expect(await weaken()).toBe("environment_frozen");
        return;
      }
      await protect(hello, "approvals");
      expect(await weaken()).toBe("waits");
      await protect(hello, "windows");
      expect(await weaken()).toBe("environment_frozen");
      await protect(hello, "stop");
      expect(await weaken()).toBe("environment_stopped");
    },
  );

  test("is none where it is made stronger: that takes nobody's leave but a deployer's", async ({ hello }) => {
    await setUpProd(hello);
    for (const name of names) {
      if (name !== "approvals") await protect(hello, name);
    }
    const more: EnvironmentSettingsBody = {
      approvals: 2,
      gates: { checks: ["never posted", "another"] },
      follow: "candidate",
    };
    expect(outcomeOf(await hello.service().patchEnvironment("prod", { settings: more }, deployer))).toBe(
      "done",
    );
  });

  test("does not hold a stop up: an admin takes it back, with the approvals that it takes", async ({
    hello,
  }) => {
    await setUpProd(hello);
    for (const name of ["stop", "windows"] as const) await protect(hello, name);
    expect(outcomeOf(await hello.service().unstop("prod", deployer))).toBe("forbidden");
    expect(outcomeOf(await hello.service().unstop("prod", admin))).toBe("done");
    await protect(hello, "stop");
    await protect(hello, "approvals");
    expect(outcomeOf(await hello.service().unstop("prod", admin))).toBe("waits");
  });
});

test("those who may change an environment are named by their role, or by their token", async ({ hello }) => {
  await setUpProd(hello);
  const changers = { roles: ["admin"], tokens: ["token-ci"] } as const;
  value(
    await hello
      .service()
      .patchEnvironment(
        "prod",
        { settings: { changers: { roles: [...changers.roles], tokens: [...changers.tokens] } } },
        admin,
      ),
  );
  for (const [caller, outcome] of [
    [deployer, "forbidden"],
    [as("deploy", "ci"), "done"],
    [admin, "done"],
  ] as const) {
    expect(outcomeOf(await hello.service().move("prod", { kind: "pin", image: "v2" }, caller))).toBe(outcome);
  }
});

describe("a candidate", () => {
  test("is what was pushed and held back: it is never lost, and never runs by itself", async ({ hello }) => {
    await setUpProd(hello);
    await protect(hello, "windows");
    await hello.push(3, "main");
    await hello.push(4, "main");
    value(
      await hello
        .service()
        .patchEnvironment(
          "prod",
          { settings: { windows: [] } },
          {
            ...admin,
            actor: { ...admin.actor },
          },
        )
        .then((weakened) => (weakened.ok ? weakened : { ok: true as const, value: weakened.error.code })),
    );
    expect(value(await hello.service().getEnvironment("prod")).digest).toBe(digestNumber(1));
    expect(
      value(await hello.service().candidates("prod")).map(({ digest, reason }) => [digest, reason]),
    ).toEqual([
      [digestNumber(4), "environment_frozen"],
      [digestNumber(3), "environment_frozen"],
    ]);
    const refused = await hello.service().deleteImage(digestNumber(3), admin);
    expect(refused).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("waits to be promoted") },
    });
  });

  test("is what follow: candidate makes of every push, and goes once it is promoted", async ({ hello }) => {
    await setUpProd(hello);
    value(await hello.service().patchEnvironment("prod", { settings: { follow: "candidate" } }, deployer));
    await hello.push(3, "main");
    expect(value(await hello.service().candidates("prod"))).toMatchObject([
      { digest: digestNumber(3), tag: "main", reason: "candidate", gates: [] },
    ]);
    value(await hello.service().move("prod", { kind: "pin", image: digestNumber(3) }, deployer));
    expect(value(await hello.service().candidates("prod"))).toEqual([]);
  });

  test("of an environment that has accepted nothing yet is not spawned", async ({ hello }) => {
    value(await hello.service().patchEnvironment("default", { settings: { follow: "candidate" } }, deployer));
    await hello.push(1, "latest");
    expect(await hello.connect({})).toMatchObject({
      ok: false,
      error: { code: "image_not_found", details: { candidate: digestNumber(1) } },
    });
    value(await hello.service().move("default", { kind: "pin", image: "latest" }, deployer));
    value(await hello.connect({}));
  });
});

test("a spawn names neither an image nor a cluster where that is not allowed", async ({ hello }) => {
  await setUpProd(hello);
  value(await hello.service().patchEnvironment("prod", { settings: { allow_spawn_tag: false } }, deployer));
  for (const spawn of [{ tag: "v2" }, { tag: digestNumber(1) }, { cluster: "main" }]) {
    expect(await hello.connect({ environment: "prod", spawn })).toMatchObject({
      error: { code: "forbidden" },
    });
  }
  value(await hello.connect({ environment: "prod" }));
});
