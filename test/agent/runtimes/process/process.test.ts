import { describe, expect, test } from "vitest";
import { procTable } from "../../../../src/agent/runtimes/process/proc-table.ts";
import { cpuMs, psTable } from "../../../../src/agent/runtimes/process/ps-table.ts";
import { runtimeCases } from "../runtime.case.ts";
import { makeProcessPlace, programImages } from "./subject.ts";

describe("processes of /proc", () => {
  runtimeCases(() => ({ makePlace: () => makeProcessPlace(procTable()), images: programImages }));
});

describe("processes of ps", () => {
  runtimeCases(() => ({ makePlace: () => makeProcessPlace(psTable()), images: programImages }));

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
