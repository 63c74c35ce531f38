import { describe, expect, test } from "vitest";
import { backendMetrics, usageSample } from "../../src/protocol/backend-metrics.ts";

const sample = { mem_used: 52_428_800, mem_available: 0, cpu_used: 1_250_000.5, sys_cpu: 80_000_000 };

describe("a sample of what a backend uses", () => {
  test("has memory and processor time, which may be fractions and nothing", () => {
    expect(usageSample.parse(sample)).toEqual(sample);
  });

  test.for(["mem_used", "mem_available", "cpu_used", "sys_cpu"])(
    "is none without %s, or where it is negative or no number",
    (field) => {
      for (const value of [undefined, null, -1, "1", Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(usageSample.safeParse({ ...sample, [field]: value }).success).toBe(false);
      }
    },
  );

  test("leaves out what a newer cluster adds", () => {
    expect(usageSample.parse({ ...sample, disk_used: 1 })).toEqual(sample);
  });

  test("is streamed to clients with its cluster and backend", () => {
    const streamed = { ...sample, cluster: "eu", backend_id: "k3f9q7h3kq2m9" };
    expect(backendMetrics.parse(streamed)).toEqual(streamed);
    expect(backendMetrics.safeParse(sample).success).toBe(false);
  });
});
