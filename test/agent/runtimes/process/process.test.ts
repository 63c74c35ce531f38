import { describe, expect, test } from "vitest";
import { procTable } from "../../../../src/agent/runtimes/process/proc-table.ts";
import { cpuMs, psTable } from "../../../../src/agent/runtimes/process/ps-table.ts";
import { runtimeCases } from "../runtime.case.ts";
import { makeProcessPlace, programImages } from "./subject.ts";

describe("processes of /proc", () => {
  runtimeCases(() => ({
    makePlace: () => makeProcessPlace({ table: procTable(), sampleEveryMs: 100 }),
    images: programImages,
  }));
});

describe("processes of ps", () => {
  // Samples are a second apart: the `ps` of Linux counts processor time in seconds.
  runtimeCases(() => ({ makePlace: () => makeProcessPlace({ table: psTable() }), images: programImages }));

  test.for([
    ["0:00.03", 30],
    ["12:34.56", 754_560],
    ["00:00:07", 7_000],
    ["01:02:03", 3_723_000],
    ["2-01:00:00", 176_400_000],
  ] as const)("processor time is read in the form of this and other systems: %s", ([time, ms]) => {
    expect(cpuMs(time)).toBe(ms);
  });
});
