import { describe, expect, test } from "vitest";
import { KnownBackends } from "../../../src/objects/backends/known-backends.ts";
import type { BackendRecord } from "../../../src/objects/contract.ts";

function record(id: string, status: "scheduled" | "ready" = "scheduled"): BackendRecord {
  const info = {
    id,
    account: "acme",
    service: "hello",
    environment: "default",
    cluster: "main",
    digest: "",
    pin: { image: "latest", revision: 1 },
    image: "latest",
    key: null,
    fencingToken: 1,
    createdAt: 1,
  };
  return { info, history: [{ status, time: 1 }], baseUrl: null };
}

describe("backends that a shard has in memory", () => {
  test("are at most so many, those that were used last", () => {
    const known = new KnownBackends(2);
    known.put(record("a"));
    known.put(record("b"));
    expect(known.get("a")?.info.id).toBe("a");
    known.put(record("c"));
    expect(["a", "b", "c"].map((id) => known.get(id)?.info.id)).toEqual(["a", undefined, "c"]);
  });

  test("are as they were put last, until they are forgotten", () => {
    const known = new KnownBackends(2);
    known.put(record("a"));
    known.put(record("b"));
    known.put(record("a", "ready"));
    expect(known.get("a")?.history).toEqual([{ status: "ready", time: 1 }]);
    known.forget("a");
    expect([known.get("a"), known.get("b")?.info.id]).toEqual([undefined, "b"]);
  });
});
