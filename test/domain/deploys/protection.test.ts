import { describe, expect, test } from "vitest";
import {
  type ChangeKind,
  gateView,
  isProtected,
  judgeChange,
  type Proposal,
  type Protection,
  type ProtectionFacts,
  protectionFields,
} from "../../../src/domain/deploys/protection.ts";
import type { Failure } from "../../../src/domain/result.ts";

const at = Date.parse("2030-01-02T03:04:05Z");
const digest = `sha256:${"a".repeat(64)}`;
const stop = { reason: "an incident", tokenId: "t1", tokenName: "ann", at };
const rejection = { digest, note: "it hangs", tokenName: "bob", at };
const closed = { open: false, why: "outside of all allow windows", opensAt: at } as const;
const openGate = { name: "min_ready", state: "pending", have: 3, need: 20, environment: "staging" } as const;

function proposal(kind: ChangeKind, extra: Partial<Proposal> = {}): Proposal {
  return {
    kind,
    digest,
    followsTag: false,
    weakens: false,
    isReturn: false,
    force: false,
    note: null,
    ...extra,
  };
}

function facts(extra: Partial<ProtectionFacts> = {}): ProtectionFacts {
  return {
    environment: "prod",
    actor: { tokenId: "t2", role: "deploy" },
    stop: null,
    closed: null,
    rejection: null,
    gates: [],
    ...extra,
  };
}

const admin = { tokenId: "t3", role: "admin" } as const;
const codes = (refusals: readonly Failure[]) => refusals.map(({ code }) => code);
const kinds: ChangeKind[] = [
  "pin",
  "promote",
  "rollback",
  "push",
  "follow",
  "canary",
  "settings",
  "cluster",
  "delete",
  "unstop",
];

/** All that there is in the way at once. */
const everything: Protection = { changers: { roles: ["admin"] }, require_digest: true, approvals: 2 };
const inTheWay = facts({ stop, closed, rejection, gates: [openGate] });

describe("a change of an environment that nothing protects", () => {
  test.each(kinds.filter((kind) => kind !== "unstop"))("may be: %s", (kind) => {
    expect(judgeChange({}, proposal(kind, { followsTag: true }), facts())).toEqual({
      refusals: [],
      gates: [],
      approvals: 0,
      forced: null,
    });
  });

  test("is an admin's where a stop is taken back", () => {
    expect(codes(judgeChange({}, proposal("unstop"), facts({ stop })).refusals)).toEqual(["forbidden"]);
    expect(judgeChange({}, proposal("unstop"), facts({ stop, actor: admin })).refusals).toEqual([]);
  });
});

describe("everything that is in the way of a change", () => {
  const digestComesIn = [
    "forbidden",
    "digest_required",
    "environment_stopped",
    "environment_frozen",
    "digest_rejected",
    "gate_not_met",
  ];
  test.each([
    ["pin", digestComesIn, 2],
    ["promote", digestComesIn, 2],
    ["rollback", digestComesIn, 2],
    ["push", digestComesIn, 2],
    ["follow", digestComesIn, 2],
    ["canary", digestComesIn, 2],
    ["cluster", ["forbidden", "forbidden", "environment_stopped", "environment_frozen"], 2],
    ["delete", ["forbidden", "environment_stopped", "environment_frozen"], 2],
    ["unstop", ["forbidden"], 2],
    ["settings", [], 0],
  ] as const)("is minded by: %s", (kind, refusals, approvals) => {
    const judged = judgeChange(everything, proposal(kind, { followsTag: true }), inTheWay);
    expect(codes(judged.refusals)).toEqual(refusals);
    expect(judged.approvals).toBe(approvals);
    const comesIn = refusals.includes("gate_not_met" as never);
    expect(judged.gates).toEqual(comesIn ? [openGate] : []);
  });

  test("is minded by settings that weaken, which take an admin, and no changers", () => {
    const weakening = proposal("settings", { weakens: true, digest: null });
    const judged = judgeChange(everything, weakening, inTheWay);
    expect(codes(judged.refusals)).toEqual(["forbidden", "environment_stopped", "environment_frozen"]);
    expect(judged.approvals).toBe(2);
    const byAdmin = judgeChange({ changers: { tokens: ["else"] } }, weakening, facts({ actor: admin }));
    expect(byAdmin.refusals).toEqual([]);
  });

  test("is not minded by a return to what ran here, but for a stop, a rejection and who may", () => {
    const back = proposal("rollback", { isReturn: true });
    const judged = judgeChange({ ...everything, require_digest: false }, back, inTheWay);
    expect(codes(judged.refusals)).toEqual(["forbidden", "environment_stopped", "digest_rejected"]);
    expect(judged).toMatchObject({ approvals: 0, gates: [] });
    const forbidden = judgeChange({ ...everything, emergency_rollback: false }, back, inTheWay);
    expect(codes(forbidden.refusals)).toContain("environment_frozen");
    expect(forbidden.approvals).toBe(2);
  });

  test("of a digest is not in the way of a change that brings none in", () => {
    const judged = judgeChange({}, proposal("follow", { digest: null }), facts({ gates: [openGate] }));
    expect(judged).toEqual({ refusals: [], gates: [], approvals: 0, forced: null });
  });

  test("is said in words, with what programs need", () => {
    const judged = judgeChange(everything, proposal("pin", { followsTag: true }), inTheWay);
    expect(judged.refusals.map(({ message }) => message)).toEqual([
      "environment `prod` may be changed by the role `admin` only",
      "environment `prod` is pinned to digests only (`require_digest`); name the image by its digest",
      "environment `prod` is stopped since 2030-01-02T03:04:05.000Z by ann: an incident; an admin can unfreeze it",
      "environment `prod` is frozen: no window that allows changes is open; they are possible from 2030-01-02T03:04:05.000Z on",
      `environment \`prod\` was rolled back from ${digest} at 2030-01-02T03:04:05.000Z by bob: it hangs; lift the rejection, or use \`force\``,
      "gates of environment `prod` are not met: min_ready: 3 of 20 in `staging` (pending)",
    ]);
    expect(judged.refusals.map(({ details }) => details)).toEqual([
      undefined,
      undefined,
      { reason: "an incident", stopped_by: "ann", stopped_at: "2030-01-02T03:04:05.000Z" },
      { opens_at: "2030-01-02T03:04:05.000Z" },
      { digest, rejected_by: "bob", rejected_at: "2030-01-02T03:04:05.000Z", note: "it hangs" },
      { gates: [openGate] },
    ]);
    const unnoted = facts({ rejection: { ...rejection, note: null }, closed: { ...closed, opensAt: null } });
    const [frozen, rejected] = judgeChange({}, proposal("pin"), unnoted).refusals;
    expect(frozen?.details).toEqual({});
    expect(rejected?.message).toContain("by bob; lift");
    expect(rejected?.details).not.toHaveProperty("note");
  });
});

describe("those who may change an environment", () => {
  const refused = (protection: Protection, actor: ProtectionFacts["actor"]) =>
    judgeChange(protection, proposal("pin"), facts({ actor })).refusals.map(({ message }) => message);

  test.each([
    [{ roles: ["deploy"] }, { tokenId: "a", role: "deploy" }, true],
    [{ roles: ["admin"] }, { tokenId: "a", role: "deploy" }, false],
    [{ tokens: ["a"] }, { tokenId: "a", role: "deploy" }, true],
    [{ roles: ["admin"], tokens: ["b"] }, { tokenId: "a", role: "deploy" }, false],
    [{ roles: ["admin"], tokens: ["a"] }, { tokenId: "a", role: "deploy" }, true],
    [{ roles: ["deploy"] }, { tokenId: "a", role: null }, false],
    [{ tokens: ["a"] }, null, false],
  ] as const)("%j: %j may is %s", (changers, actor, may) => {
    const protection = { changers: JSON.parse(JSON.stringify(changers)) };
    expect(refused(protection, actor).length === 0).toBe(may);
  });

  test("are named", () => {
    expect(refused({ changers: { roles: ["admin"], tokens: ["a", "b"] } }, null)).toEqual([
      "environment `prod` may be changed by the role `admin` or token `a` or token `b` only",
    ]);
    expect(refused({ changers: {} }, admin)).toEqual(["environment `prod` may be changed by nobody only"]);
  });
});

describe("force", () => {
  const forced = (extra: Partial<Proposal> = {}) => proposal("pin", { force: true, note: "now", ...extra });

  test("overrides a stop, windows, a rejection and gates, and says which; not approvals", () => {
    const judged = judgeChange({ approvals: 2 }, forced(), { ...inTheWay, actor: admin });
    expect(judged).toMatchObject({
      refusals: [],
      approvals: 2,
      gates: [openGate],
      forced: ["environment_stopped", "environment_frozen", "digest_rejected", "gate_not_met"],
    });
    expect(judgeChange({}, forced(), facts({ actor: admin })).forced).toBe(null);
  });

  test("does not override who may change it, nor what it may be pinned to", () => {
    const protection: Protection = { changers: { tokens: ["else"] }, require_digest: true };
    const judged = judgeChange(protection, forced({ followsTag: true }), facts({ actor: admin }));
    expect(codes(judged.refusals)).toEqual(["forbidden", "digest_required"]);
  });

  test.each([
    [
      { tokenId: "a", role: "deploy" } as const,
      "now",
      "forbidden",
      "`force` takes a token with the role `admin`",
    ],
    [null, "now", "forbidden", "`force` takes a token with the role `admin`"],
    [admin, null, "bad_request", "`force` takes a `note` that says why"],
    [admin, "  ", "bad_request", "`force` takes a `note` that says why"],
  ])("is an admin's, with a note: %j, %j", (actor, note, code, message) => {
    expect(judgeChange({}, forced({ note }), facts({ actor })).refusals).toEqual([{ code, message }]);
  });
});

describe("an environment", () => {
  const values: { [Field in keyof Required<Protection>]: [unknown, unknown] } = {
    gates: [{ checks: ["e2e"] }, undefined],
    changers: [{ roles: ["admin"] }, undefined],
    require_digest: [true, false],
    allow_spawn_tag: [false, true],
    follow: ["candidate", "auto"],
    approvals: [1, 0],
    windows: [[{}], []],
    emergency_rollback: [false, true],
  };

  test.each(protectionFields)("is protected by %s, where that keeps something away", (field) => {
    const [protecting, open] = values[field];
    expect(isProtected({ [field]: protecting }, null)).toBe(true);
    expect(isProtected({ [field]: open }, null)).toBe(false);
  });

  test("is protected by a stop, and by nothing else", () => {
    expect(isProtected({}, stop)).toBe(true);
    expect(isProtected({}, null)).toBe(false);
  });

  test("that is protected is moved to another cluster, and deleted, by an admin only", () => {
    for (const kind of ["cluster", "delete"] as const) {
      const protection: Protection = { follow: "candidate" };
      expect(codes(judgeChange(protection, proposal(kind), facts()).refusals)).toEqual(["forbidden"]);
      expect(judgeChange(protection, proposal(kind), facts({ actor: admin })).refusals).toEqual([]);
    }
  });
});

test("a gate is answered with times as text", () => {
  const gate = { name: "soak_seconds", state: "pending", have: 1, need: 2 } as const;
  expect(gateView({ ...gate, passesAt: at, minSamples: 4 })).toEqual({
    ...gate,
    passes_at: "2030-01-02T03:04:05.000Z",
    min_samples: 4,
  });
  expect(gateView(gate)).toEqual(gate);
});
