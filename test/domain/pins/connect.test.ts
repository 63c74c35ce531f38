import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BackendStatus, backendStatuses } from "../../../src/domain/backends/status.ts";
import {
  type ConnectRequest,
  type ConnectSnapshot,
  chooseCluster,
  connectRefusals,
  decideConnect,
} from "../../../src/domain/pins/connect.ts";
import { digest1, digest2, environment, environmentsOf, snapshot } from "./connect-snapshot.ts";

/** `doc` of `prod` is held by a backend in this status. */
function heldBy(status: BackendStatus, isHeld = false): Partial<ConnectSnapshot> {
  const holder = { id: "holder", status, isHeld };
  return { holderOf: (name, key) => (name === "prod" && key === "doc" ? holder : undefined) };
}

describe("a key whose holder may run or not, and is held until that is known", () => {
  test.for(
    backendStatuses
      .filter((status) => status !== "terminated")
      .flatMap((status) => [[status, {}] as const, [status, null] as const]),
  )("is refused with the holder and when to come again: %s, spawn %j", ([status, spawn]) => {
    const request = { environment: "prod", key: "doc", spawn };
    const refused = decideConnect(request, snapshot(heldBy(status, true)));
    const error = {
      code: "key_held",
      message: expect.stringContaining("`holder` holds the key `doc`"),
      details: { backend_id: "holder" },
      retryAfterSeconds: 10,
    };
    expect(refused).toMatchObject({ ok: false, error });
    expect(connectRefusals(request, snapshot(heldBy(status, true)))).toMatchObject([error]);
  });
});

describe("a spawn", () => {
  test("runs the digest that the environment's tag means now, on the environment's cluster", () => {
    expect(decideConnect({ environment: "prod", spawn: {} }, snapshot())).toEqual({
      ok: true,
      value: {
        action: "spawn",
        environment: environment("prod"),
        cluster: "eu",
        image: { image: "v1", digest: digest1, tag: "v1" },
      },
    });
  });

  test("runs the pinned digest, on the account's default cluster where the environment has none", () => {
    expect(decideConnect({ environment: "staging", spawn: {} }, snapshot())).toMatchObject({
      value: { action: "spawn", cluster: "us", image: { digest: digest2, tag: null } },
    });
  });

  test("runs the image that it names instead of the pin", () => {
    expect(decideConnect({ environment: "prod", spawn: { tag: "v2" } }, snapshot())).toMatchObject({
      value: { action: "spawn", image: { image: "v2", digest: digest2, tag: "v2" } },
    });
    expect(decideConnect({ environment: "prod", spawn: { tag: digest2 } }, snapshot())).toMatchObject({
      value: { action: "spawn", image: { digest: digest2, tag: null } },
    });
  });

  test("goes to the cluster that it names instead of the environment's", () => {
    expect(decideConnect({ environment: "prod", spawn: { cluster: "us" } }, snapshot())).toMatchObject({
      value: { cluster: "us" },
    });
  });

  test("with a key that nobody holds is a spawn like any other", () => {
    expect(
      decideConnect({ environment: "prod", key: "other", spawn: {} }, snapshot(heldBy("ready"))),
    ).toMatchObject({ value: { action: "spawn" } });
  });

  const unpinned = [environment("default", { image: "latest" })];
  test("of a service with nothing but `default` needs no environment named", () => {
    expect(decideConnect({ spawn: {} }, snapshot({ environments: environmentsOf(unpinned) }))).toMatchObject({
      value: { action: "spawn", environment: { name: "default" }, image: { digest: digest2 } },
    });
  });

  const refusals: [title: string, request: ConnectRequest, extra: Partial<ConnectSnapshot>, code: string][] =
    [
      ["without an environment where several exist", { spawn: {} }, {}, "environment_required"],
      [
        "into an environment that does not exist",
        { environment: "prdo", spawn: {} },
        {},
        "environment_not_found",
      ],
      [
        "of a tag that was never pushed",
        { environment: "prod", spawn: { tag: "v3" } },
        {},
        "image_not_found",
      ],
      [
        "of a digest that was never pushed",
        { environment: "prod", spawn: { tag: `sha256:${"3".repeat(64)}` } },
        {},
        "image_not_found",
      ],
      ["of something that is no image", { environment: "prod", spawn: { tag: "a b" } }, {}, "bad_request"],
      [
        "to a cluster that the account does not have",
        { environment: "prod", spawn: { cluster: "mars" } },
        {},
        "cluster_not_found",
      ],
      [
        "into an environment whose cluster is gone",
        { environment: "prod", spawn: {} },
        { clusters: ["us"] },
        "cluster_not_found",
      ],
      [
        "into an environment whose cluster is draining",
        { environment: "prod", spawn: {} },
        { drainingClusters: ["eu"] },
        "cluster_unavailable",
      ],
      [
        "of a tag that was never pushed, even while the cluster is draining: waiting would not mend it",
        { environment: "prod", spawn: { tag: "v3" } },
        { drainingClusters: ["eu"] },
        "image_not_found",
      ],
      [
        "where neither environment nor account has a cluster",
        { environment: "staging", spawn: {} },
        { accountDefaultCluster: null },
        "cluster_required",
      ],
      [
        "into an environment outside the token's",
        { environment: "prod", spawn: {}, allowedEnvironments: ["staging"] },
        {},
        "forbidden",
      ],
      [
        "into the service's default outside the token's",
        { spawn: {}, allowedEnvironments: ["staging"] },
        { serviceDefaultEnvironment: "prod" },
        "forbidden",
      ],
      [
        "onto another cluster than its environment's, with a token narrowed to environments",
        { environment: "prod", spawn: { cluster: "us" }, allowedEnvironments: ["prod"] },
        { clusters: ["eu", "us"] },
        "forbidden",
      ],
      [
        "with a token that may act on nothing",
        { environment: "prod", spawn: {}, allowedEnvironments: [] },
        {},
        "forbidden",
      ],
    ];
  test.for(refusals)("%s is refused", ([, request, extra, code]) => {
    const decided = decideConnect(request, snapshot(extra));
    expect(decided).toMatchObject({ ok: false, error: { code } });
    expect(connectRefusals(request, snapshot(extra)).map((refusal) => refusal.code)).toContain(code);
  });
});

describe("a key", () => {
  const connect: ConnectRequest = { environment: "prod", key: "doc", spawn: {} };

  test.for(backendStatuses.slice(0, 5))("held by a %s backend is handed out", (status) => {
    expect(decideConnect(connect, snapshot(heldBy(status)))).toEqual({
      ok: true,
      value: { action: "reuse", environment: environment("prod"), backendId: "holder" },
    });
  });

  test.for(["terminating", "hard-terminating"] as const)("held by a %s backend is waited for", (status) => {
    expect(decideConnect(connect, snapshot(heldBy(status)))).toMatchObject({
      value: { action: "wait", backendId: "holder" },
    });
  });

  test("of one environment is not held in another", () => {
    expect(decideConnect({ ...connect, environment: "staging" }, snapshot(heldBy("ready")))).toMatchObject({
      value: { action: "spawn" },
    });
  });

  test("of an environment outside the token's is not handed out", () => {
    const request = { ...connect, allowedEnvironments: ["staging"] };
    expect(decideConnect(request, snapshot(heldBy("ready")))).toMatchObject({ error: { code: "forbidden" } });
  });

  test("that is held is handed out while its cluster is draining, and waited for while its holder ends", () => {
    const request = { environment: "prod", key: "doc", spawn: {} };
    const draining = { drainingClusters: ["eu"] };
    expect(decideConnect(request, snapshot({ ...heldBy("ready"), ...draining }))).toMatchObject({
      value: { action: "reuse", backendId: "holder" },
    });
    expect(decideConnect(request, snapshot({ ...heldBy("terminating"), ...draining }))).toMatchObject({
      value: { action: "wait" },
    });
  });

  test("that is held is handed out whatever the pin or the request's image means now", () => {
    const gone = snapshot({ ...heldBy("ready"), clusters: [], accountDefaultCluster: null });
    const request = { ...connect, spawn: { tag: "never-pushed", cluster: "mars" } };
    expect(decideConnect(request, gone)).toMatchObject({ value: { action: "reuse" } });
    expect(connectRefusals(request, gone)).toEqual([]);
  });
});

describe("a connect that must not spawn", () => {
  test("finds the live holder of its key", () => {
    const request = { environment: "prod", key: "doc", spawn: null };
    expect(decideConnect(request, snapshot(heldBy("waiting")))).toMatchObject({
      value: { action: "reuse", backendId: "holder" },
    });
  });

  test.for(["terminating", "hard-terminating"] as const)("does not find a %s one", (status) => {
    const request = { environment: "prod", key: "doc", spawn: null };
    expect(decideConnect(request, snapshot(heldBy(status)))).toMatchObject({
      error: { code: "key_not_held" },
    });
  });

  test("is refused where nobody holds its key", () => {
    const request = { environment: "prod", key: "other", spawn: null };
    expect(decideConnect(request, snapshot(heldBy("ready")))).toMatchObject({
      error: { code: "key_not_held" },
    });
    expect(connectRefusals(request, snapshot())).toMatchObject([{ code: "key_not_held" }]);
  });

  test("makes no sense without a key", () => {
    const request = { environment: "prod", spawn: null };
    expect(decideConnect(request, snapshot())).toMatchObject({ error: { code: "bad_request" } });
  });
});

describe("every reason of a refusal", () => {
  test("is listed, not only the first", () => {
    const request = { environment: "prod", spawn: { tag: "v3", cluster: "mars" } };
    expect(connectRefusals(request, snapshot()).map(({ code }) => code)).toEqual([
      "cluster_not_found",
      "image_not_found",
    ]);
  });

  test("is listed with the cluster that is draining, and when to retry", () => {
    const request = { environment: "prod", spawn: { tag: "v3" } };
    const draining = snapshot({ drainingClusters: ["us", "eu"] });
    expect(connectRefusals(request, draining)).toMatchObject([
      { code: "image_not_found" },
      {
        code: "cluster_unavailable",
        message: expect.stringContaining("cluster `eu` is draining"),
        retryAfterSeconds: 10,
      },
    ]);
  });

  const name = fc.constantFrom("prod", "staging", "qa");
  const anyRequest = fc.record(
    {
      environment: name,
      key: fc.constantFrom("doc", "other"),
      spawn: fc.option(
        fc.record(
          { tag: fc.constantFrom("v1", "v9", "a b"), cluster: fc.constantFrom("eu", "mars") },
          { requiredKeys: [] },
        ),
      ),
      allowedEnvironments: fc.uniqueArray(name),
    },
    { requiredKeys: ["spawn"] },
  );
  const anySnapshot = fc
    .record({
      status: fc.constantFrom(...backendStatuses.slice(0, -1)),
      accountDefaultCluster: fc.constantFrom(null, "us", "gone"),
      serviceDefaultEnvironment: fc.option(name),
      drainingClusters: fc.subarray(["eu", "us"]),
    })
    .map(({ status, ...rest }) => snapshot({ ...heldBy(status), ...rest }));

  test("are none exactly where the connect is not refused, and the first is the refusal itself", () => {
    fc.assert(
      fc.property(anyRequest, anySnapshot, (request, state) => {
        const decided = decideConnect(request, state);
        const refusals = connectRefusals(request, state);
        expect(refusals.length === 0).toBe(decided.ok);
        if (!decided.ok) expect(refusals[0]).toEqual(decided.error);
      }),
    );
  });

  test("a decision never leaves the token's environments or the account's clusters", () => {
    fc.assert(
      fc.property(anyRequest, anySnapshot, (request, state) => {
        const decided = decideConnect(request, state);
        if (!decided.ok) return;
        const { environment: chosen } = decided.value;
        if (request.environment !== undefined) expect(chosen.name).toBe(request.environment);
        if (request.allowedEnvironments) expect(request.allowedEnvironments).toContain(chosen.name);
        if (decided.value.action !== "spawn") return;
        expect(state.clusters).toContain(decided.value.cluster);
        expect(state.drainingClusters).not.toContain(decided.value.cluster);
      }),
    );
  });
});

describe("the cluster of a spawn", () => {
  const account = { accountDefaultCluster: "us", clusters: ["eu", "us"] };
  test.for([
    ["the one named", "us", "eu", "us"],
    ["the environment's", undefined, "eu", "eu"],
    ["the account's default", undefined, null, "us"],
  ] as const)("is %s", ([, named, own, chosen]) => {
    expect(chooseCluster(named, { name: "prod", cluster: own }, account)).toEqual({
      ok: true,
      value: chosen,
    });
  });

  test("that is unknown is refused with those that the account has", () => {
    expect(chooseCluster("mars", { name: "prod", cluster: "eu" }, account)).toMatchObject({
      error: { code: "cluster_not_found", details: { clusters: ["eu", "us"] } },
    });
  });
});

describe("a caller that may not see the clusters", () => {
  const allowed = { allowedEnvironments: ["prod"], hidesClusters: true };
  const named = (cluster: string, more: Partial<ConnectRequest> = {}) =>
    decideConnect({ environment: "prod", spawn: { cluster }, ...more }, snapshot());

  test.for([
    ["nowhere", { hidesClusters: true }, "cluster_not_found"],
    ["us", { hidesClusters: true }, null],
    ["us", allowed, "forbidden"],
    ["nowhere", allowed, "forbidden"],
    ["eu", allowed, null],
  ] as const)("names %s with %j and is refused: %s", ([cluster, more, refused]) => {
    const decided = named(cluster, more);
    expect(decided.ok ? null : decided.error.code).toBe(refused);
  });

  test("is not told by a refusal which there are, and others are", () => {
    expect(named("nowhere", { hidesClusters: true })).toEqual({
      ok: false,
      error: { code: "cluster_not_found", message: "cluster `nowhere` not found" },
    });
    expect(named("nowhere")).toMatchObject({ error: { details: { clusters: ["eu", "us"] } } });
  });

  test("of environments without a cluster of their own may name the account's default", () => {
    const request = { environment: "staging", allowedEnvironments: ["staging"] };
    for (const [cluster, ok] of [
      ["us", true],
      ["eu", false],
    ] as const) {
      expect(decideConnect({ ...request, spawn: { cluster } }, snapshot()).ok).toBe(ok);
    }
  });
});

describe("a spawn that names its image", () => {
  const guarded = (extra: Partial<ConnectSnapshot> = {}, settings: object = {}) =>
    snapshot({
      environments: environmentsOf([
        {
          ...environment("prod"),
          settings: { startup_timeout_seconds: 300, max_idle_seconds: 300, ...settings },
        },
      ]),
      ...extra,
    });
  const spawn = (
    request: { tag?: string; cluster?: string; force?: boolean },
    of: ConnectSnapshot,
    isAdmin = false,
  ) => decideConnect({ environment: "prod", spawn: request, isAdmin }, of);
  const isRejected = (name: string, digest: string) => name === "prod" && digest === digest2;

  test("or its cluster is refused where the environment lets none do so", () => {
    const of = guarded({}, { allow_spawn_tag: false });
    for (const request of [{ tag: "v2" }, { cluster: "us" }]) {
      expect(spawn(request, of)).toEqual({
        ok: false,
        error: {
          code: "forbidden",
          message: "environment `prod` lets no spawn name its image or its cluster (`allow_spawn_tag`)",
        },
      });
      expect(spawn(request, guarded({}, { allow_spawn_tag: true })).ok).toBe(true);
    }
    expect(spawn({}, of).ok).toBe(true);
    expect(connectRefusals({ environment: "prod", spawn: { tag: "v2" } }, of)).toHaveLength(1);
  });

  test("is refused what the environment was rolled back from, by tag or by digest", () => {
    const of = guarded({ isRejected });
    for (const tag of ["v2", digest2]) {
      expect(spawn({ tag }, of)).toEqual({
        ok: false,
        error: {
          code: "digest_rejected",
          message: `environment \`prod\` was rolled back from ${digest2}; a spawn of it takes \`force\``,
          details: { digest: digest2 },
        },
      });
      expect(spawn({ tag, force: true }, of, true).ok).toBe(true);
    }
    expect(spawn({ tag: "v1" }, of).ok).toBe(true);
    expect(spawn({}, guarded({ isRejected: () => true })).ok).toBe(true);
  });

  test("forces nothing without being an admin's", () => {
    expect(spawn({ tag: "v1", force: true }, guarded())).toEqual({
      ok: false,
      error: { code: "forbidden", message: "`force` takes a token with the role `admin`" },
    });
  });
});

test("an environment that has accepted nothing spawns nothing, though its tag stands on an image", () => {
  const empty = environment("prod", { image: "v1", digest: null });
  const of = snapshot({ environments: environmentsOf([empty]) });
  expect(decideConnect({ environment: "prod", spawn: {} }, of)).toEqual({
    ok: false,
    error: {
      code: "image_not_found",
      message: "environment `prod` has accepted no image yet: what was pushed as `v1` waits to be promoted",
      details: { candidate: digest1 },
    },
  });
});
