import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BackendStatus,
  backendStatuses,
  nextEntry,
  type StatusEntry,
  type TerminationReason,
  terminationReasons,
} from "../../../src/domain/backends/status.ts";
import {
  spawnBody,
  terminateBackendsBody,
  toV1States,
  type V1StateName,
  v1StateName,
} from "../../../src/protocol/jamsocket/v1.ts";

const time = Date.UTC(2026, 10, 23);

describe("what v1 calls a status that is not the end", () => {
  const names: [BackendStatus, V1StateName][] = [
    ["scheduled", "Loading"],
    ["loading", "Loading"],
    ["starting", "Starting"],
    ["waiting", "Starting"],
    ["ready", "Ready"],
    ["terminating", "Ready"],
    ["hard-terminating", "Ready"],
  ];
  test.for(names)("%s is %s", ([status, name]) => {
    expect(v1StateName({ status, time })).toBe(name);
    expect(v1StateName({ status, time, termination_reason: "external" })).toBe(name);
  });
});

describe("what v1 calls an end", () => {
  const decidedByReason: [TerminationReason, V1StateName][] = [
    ["external", "Terminated"],
    ["internalerror", "Lost"],
    ["lost", "Lost"],
    ["swept", "Swept"],
    ["keyexpired", "Swept"],
  ];
  const lived = ["scheduled", "loading", "starting", "waiting", "ready"] as const;
  const byReason = decidedByReason.flatMap(([reason, name]) =>
    lived.flatMap((last) => [undefined, 0, 1].map((exit_code) => ({ reason, name, last, exit_code }))),
  );
  test.for(byReason)(
    "$reason after $last with exit code $exit_code is $name",
    ({ reason, name, last, exit_code }) => {
      const entry: StatusEntry = {
        status: "terminated",
        time,
        termination_reason: reason,
        last_status: last,
      };
      expect(v1StateName(exit_code === undefined ? entry : { ...entry, exit_code })).toBe(name);
    },
  );

  const otherwise: [BackendStatus, TerminationReason | undefined, number | undefined, V1StateName][] = [
    ["scheduled", undefined, undefined, "ErrorLoading"],
    ["scheduled", "startuptimeout", undefined, "ErrorLoading"],
    ["loading", undefined, 1, "ErrorLoading"],
    ["loading", "startuptimeout", undefined, "ErrorLoading"],
    ["starting", undefined, undefined, "ErrorStarting"],
    ["starting", undefined, 0, "ErrorStarting"],
    ["starting", "startuptimeout", undefined, "ErrorStarting"],
    ["waiting", undefined, undefined, "ErrorStarting"],
    ["waiting", undefined, 1, "ErrorStarting"],
    ["waiting", "startuptimeout", undefined, "TimedOutBeforeReady"],
    ["waiting", "startuptimeout", 137, "TimedOutBeforeReady"],
    ["ready", undefined, 0, "Exited"],
    ["ready", undefined, 1, "Failed"],
    ["ready", undefined, 137, "Failed"],
    ["ready", undefined, -1, "Failed"],
    ["ready", undefined, undefined, "Terminated"],
  ];
  test.for(otherwise)(
    "after %s with reason %s and exit code %s is %s",
    ([last_status, reason, exit_code, name]) => {
      const entry: StatusEntry = {
        status: "terminated",
        time,
        last_status,
        ...(reason === undefined ? {} : { termination_reason: reason }),
        ...(exit_code === undefined ? {} : { exit_code }),
      };
      expect(v1StateName(entry)).toBe(name);
    },
  );
});

describe("a history as v1 shows it", () => {
  test("leaves consecutive states of one name out and keeps the time of the first", () => {
    const statuses = [
      "scheduled",
      "loading",
      "starting",
      "waiting",
      "ready",
      "terminating",
      "terminated",
    ] as const;
    const history = statuses.reduce<StatusEntry[]>((entries, status, i) => {
      const entry = nextEntry(
        entries,
        { status, ...(status === "terminating" ? { termination_reason: "swept" } : {}) },
        time + i,
      );
      return entries.concat(entry ?? []);
    }, []);
    expect(toV1States("k3f9q7h3kq2m9", history)).toEqual(
      [
        ["Loading", 0],
        ["Starting", 2],
        ["Ready", 4],
        ["Swept", 6],
      ].map(([state, after]) => ({
        state,
        time: new Date(time + Number(after)).toISOString(),
        backend: "k3f9q7h3kq2m9",
      })),
    );
  });

  test("never repeats a state, begins with the first and ends with the last", () => {
    const entry = fc.record(
      {
        status: fc.constantFrom(...backendStatuses),
        time: fc.constant(time),
        termination_reason: fc.constantFrom(...terminationReasons),
      },
      { requiredKeys: ["status", "time"] },
    );
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1 }), (history) => {
        const names = toV1States("b", history).map(({ state }) => state);
        for (const [i, name] of names.entries()) expect(name).not.toBe(names[i - 1]);
        const all = history.map(v1StateName);
        expect(names[0]).toBe(all[0]);
        expect(names.at(-1)).toBe(all.at(-1));
      }),
    );
  });
});

describe("v1 bodies", () => {
  test("ignore fields that they do not know, as the original does", () => {
    expect(spawnBody.parse({ lock: "doc", later: true })).toEqual({ lock: "doc" });
  });

  test.for([
    {},
    {
      tag: "v1",
      grace_period_seconds: 0,
      lock: "x",
      service_environment: "prod",
      require_bearer_token: true,
      port: 8080,
    },
    { env: { FOO: "bar" } },
    { port: 65_535 },
  ])("a spawn may say %j", (body) => {
    expect(spawnBody.parse(body)).toEqual(body);
  });

  test.for([
    null,
    [],
    "text",
    { tag: "" },
    { tag: `sha256:${"a".repeat(64)}` },
    { lock: "" },
    { lock: "x".repeat(129) },
    ...["tag", "lock", "port", "service_environment", "require_bearer_token", "grace_period_seconds"].map(
      (field) => ({
        [field]: null,
      }),
    ),
    { grace_period_seconds: -1 },
    { grace_period_seconds: 1.5 },
    { service_environment: "hello/prod" },
    { require_bearer_token: "yes" },
    { port: 0 },
    { port: 65_536 },
    { port: "8080" },
    { env: { FOO: 1 } },
    { env: { FOO: null } },
    { env: null },
    { env: [] },
    { env: "FOO=bar" },
  ])("a spawn may not say %j", (body) => {
    expect(spawnBody.safeParse(body).success).toBe(false);
  });

  test("ending a service's backends is soft and real unless it says otherwise", () => {
    expect(terminateBackendsBody.parse({})).toEqual({ hard: false, dry_run: false });
    expect(terminateBackendsBody.safeParse({ before: "2026-11-23T10:00:00+01:00" }).success).toBe(true);
    expect(terminateBackendsBody.safeParse({ before: "yesterday" }).success).toBe(false);
  });
});
